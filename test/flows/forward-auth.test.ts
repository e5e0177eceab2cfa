import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect } from 'chai';
import { compileApiRoutes } from '../../src/platform/api-routes.ts';
import { type InstalledAddon, installAddon } from '../helpers/installed-addon.ts';
import { freePort } from '../helpers/postgres-server.ts';
import { type RunningHost, startHost } from '../helpers/start-host.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';
import { until } from '../helpers/until.ts';

const api = (...routes: [string, string, string, string?][]) =>
  routes.map(([method, path, scope, resource]) => ({
    method,
    path,
    scope,
    ...(resource && { resource }),
  }));
const TABLE = api(
  ['GET', '/api/{workspace}/{repo}', 'repository', '{workspace}/{repo}'],
  ['PUT', '/api/{workspace}/{repo}', 'repository:write', '{workspace}/{repo}'],
  ['GET', '/api/{workspace}/hooks', 'webhook'],
  ['GET', '/api/{workspace}/{repo}/src/{path}', 'repository', '{workspace}/{repo}'],
  ['*', '/api/user', 'account'],
);

describe('the route table', () => {
  const match = compileApiRoutes({ key: 't', name: 'T', scopes: {}, events: {}, api: TABLE });
  const rows: [method: string, path: string, scope: string | undefined][] = [
    ['GET', '/api/acme/site', 'repository'],
    ['HEAD', '/api/acme/site', 'repository'],
    ['PUT', '/api/acme/site', 'repository:write'],
    ['DELETE', '/api/acme/site', undefined],
    ['GET', '/api/acme/hooks', 'webhook'],
    ['GET', '/api/acme/site/src/a/b.txt', 'repository'],
    ['POST', '/api/user', 'account'],
    ['GET', '/api/acme/site/', 'repository'],
    ['GET', '/other', undefined],
    ['GET', '/api/acme/../other/site', undefined],
    ['GET', '/api/acme%2fsite/x', undefined],
    ['GET', '/api//acme/site', undefined],
    ['GET', '/api/acme/%2e%2e/site', undefined],
    ['GET', '/API/acme/site', undefined],
  ];
  for (const [method, path, scope] of rows) {
    it(`takes ${method} ${path} for ${scope ?? 'nothing'}`, () => {
      expect(match(method, path)?.route.scope).to.equal(scope);
    });
  }
});

describe('nginx in front of a product', function () {
  this.timeout(60_000);
  let running: RunningHost;
  let installed: InstalledAddon;
  let product: Server;
  let nginx: ReturnType<typeof spawn>;
  let front: string;
  let bearer: string;
  const seen: string[] = [];

  before(async function () {
    try {
      execFileSync('nginx', ['-v'], { stdio: 'ignore' });
    } catch {
      console.log('      SKIPPED: nginx is not installed (Debian package nginx-light)');
      this.skip();
    }
    const { readFileSync } = await import('node:fs');
    const platform = {
      ...JSON.parse(readFileSync('platforms/bitbucket.json', 'utf8')),
      api: TABLE,
    };
    running = await startHost({ platform });
    installed = await installAddon(running, {
      descriptor: { scopes: ['repository'] },
      request: { resources: ['acme/site'] },
    });
    bearer = await installed.token();
    product = createServer((request, response) => {
      seen.push(
        `${request.method} ${request.url} ${request.headers['mortise-addon']} ${request.headers['mortise-context']}`,
      );
      response.end('from the product');
    }).listen(0, '127.0.0.1');
    await new Promise((resolve) => product.once('listening', resolve));
    const folder = temporaryFolder();
    mkdirSync(join(folder, 'logs'));
    const port = await freePort();
    front = `http://127.0.0.1:${port}`;
    writeFileSync(
      join(folder, 'nginx.conf'),
      `daemon off; pid ${folder}/nginx.pid; error_log ${folder}/logs/error.log; worker_processes 1;
events { worker_connections 64; }
http {
  access_log off; client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/f; uwsgi_temp_path ${folder}/u; scgi_temp_path ${folder}/s;
  server {
    listen 127.0.0.1:${port};
    location / {
      auth_request /mortise-auth;
      auth_request_set $addon $upstream_http_mortise_addon;
      auth_request_set $place $upstream_http_mortise_context;
      auth_request_set $granted $upstream_http_x_oauth_scopes;
      proxy_set_header Mortise-Addon $addon;
      proxy_set_header Mortise-Context $place;
      add_header X-OAuth-Scopes $granted always;
      proxy_pass http://127.0.0.1:${(product.address() as AddressInfo).port};
    }
    location = /mortise-auth {
      internal;
      proxy_pass ${running.url}/oauth2/forward-auth;
      proxy_method GET; proxy_pass_request_body off; proxy_set_header Content-Length "";
      proxy_set_header X-Original-URI $request_uri;
      proxy_set_header X-Original-Method $request_method;
    }
  }
}`,
    );
    nginx = spawn('nginx', ['-p', folder, '-c', join(folder, 'nginx.conf')], { stdio: 'ignore' });
    await until(
      () =>
        fetch(front)
          .then(() => true)
          .catch(() => false),
      'nginx to listen',
    );
  });
  after(async () => {
    nginx?.kill();
    product?.close();
    await running?.stop();
    await installed?.addon.stop();
  });

  const ask = (method: string, path: string, token?: string) =>
    fetch(front + path, {
      method,
      ...(token && { headers: { authorization: `Bearer ${token}` } }),
    });

  it('lets through what the token covers, and tells the product who it is', async () => {
    const answer = await ask('GET', '/api/acme/site?x=1', bearer);
    expect([answer.status, await answer.text()]).to.deep.equal([200, 'from the product']);
    expect(answer.headers.get('x-oauth-scopes')).to.equal('repository');
    expect(seen.at(-1)).to.equal('GET /api/acme/site?x=1 fake-addon acme');
  });

  const refused: [string, string, string, boolean, number][] = [
    ['without a token', 'GET', '/api/acme/site', false, 401],
    ['without the scope', 'PUT', '/api/acme/site', true, 403],
    ['on another resource', 'GET', '/api/acme/other', true, 403],
    ['in another context', 'GET', '/api/other/site', true, 403],
    ['on a route of no table', 'GET', '/admin', true, 403],
    ['on a path that can be read in two ways', 'GET', '/api/acme%2fsite', true, 403],
  ];
  for (const [title, method, path, hasToken, status] of refused) {
    it(`keeps out a call ${title}`, async () => {
      const before = seen.length;
      expect((await ask(method, path, hasToken ? bearer : undefined)).status).to.equal(status);
      expect(seen).to.have.length(before);
    });
  }

  it('keeps out a token at once when it is revoked', async () => {
    await running.operator('DELETE', `/installations/${installed.installation.id}`);
    expect((await ask('GET', '/api/acme/site', bearer)).status).to.equal(401);
  });
});
