import Router from '@koa/router';
import { expect } from 'chai';
import jwt from 'jsonwebtoken';
import { queryStringHash } from '../../src/core/connect-jwt.ts';
import { type InstalledAddon, installAddon } from '../helpers/installed-addon.ts';
import { type RunningHost, startHost } from '../helpers/start-host.ts';

describe('a guarded route', () => {
  let running: RunningHost;
  let installed: InstalledAddon;
  let bearer: string;

  before(async () => {
    running = await startHost({
      product(host, app) {
        const router = new Router();
        const answer = (ctx: { state: Record<string, unknown>; body: unknown }) => {
          ctx.body = ctx.state.mortise;
        };
        const resource = { resource: '{workspace}/{repo}' };
        router.get('/api/:workspace/:repo', host.guard('repository', resource), answer);
        router.put('/api/:workspace/:repo', host.guard('repository:write', resource), answer);
        router.get('/wiki/:workspace', host.guard('wiki'), answer);
        router.get(
          '/odd/:place/:repo',
          host.guard('repository', { resource: '{place}/{repo}' }),
          answer,
        );
        router.get(
          '/odd2/:place/:repo',
          host.guard('repository', { resource: '{place}/{repo}', context: '{place}' }),
          answer,
        );
        router.get(
          '/git/:workspace/:repo',
          host.guard('repository', { ...resource, basicUser: 'x-token-auth' }),
          answer,
        );
        app.use(router.routes());
      },
    });
    installed = await installAddon(running, {
      descriptor: { scopes: ['repository'] },
      request: { resources: ['acme/site', 'acme/docs'] },
    });
    bearer = await installed.token();
  });
  after(async () => {
    await running.stop();
    await installed.addon.stop();
  });

  const call = (method: string, path: string, authorization?: string) =>
    running.request(
      method,
      path,
      authorization === undefined ? {} : { headers: { authorization } },
    );

  it('lets a token pass that covers it, and says who calls', async () => {
    const { status, json, headers } = await call('GET', '/api/acme/site', `Bearer ${bearer}`);
    expect(status).to.equal(200);
    expect(json.installation).to.include({ addonKey: 'fake-addon', context: 'acme' });
    expect(json).to.deep.include({ scopes: ['repository'], resources: ['acme/site', 'acme/docs'] });
    expect(headers.get('x-oauth-scopes')).to.equal('repository');
    expect(headers.get('x-accepted-oauth-scopes')).to.equal('repository');
  });

  it('asks for a token when there is none, without an error code', async () => {
    const { status, headers, json } = await call('GET', '/api/acme/site');
    expect([status, json.code]).to.deep.equal([401, 'token_missing']);
    expect(headers.get('www-authenticate')).to.equal('Bearer realm="api"');
  });

  it('names what is required and what is granted when the scope is missing', async () => {
    const { status, headers, json } = await call('PUT', '/api/acme/site', `Bearer ${bearer}`);
    expect([status, json.code]).to.deep.equal([403, 'insufficient_scope']);
    expect(json).to.deep.include({ required: ['repository:write'], granted: ['repository'] });
    expect(headers.get('www-authenticate')).to.match(
      /^Bearer .*error="insufficient_scope".*scope="repository:write"$/,
    );
    expect(headers.get('x-oauth-scopes')).to.equal('repository');
    expect(headers.get('x-accepted-oauth-scopes')).to.equal('repository:write');
  });

  type Row = [
    title: string,
    method: string,
    path: string,
    token: () => string | undefined,
    status: number,
    code: string,
  ];
  const rows: Row[] = [
    ['an unknown token', 'GET', '/api/acme/site', () => 'Bearer mta_unknown', 401, 'invalid_token'],
    [
      'something that is no token',
      'GET',
      '/api/acme/site',
      () => 'Bearer hello',
      401,
      'invalid_token',
    ],
    [
      'a client secret as token',
      'GET',
      '/api/acme/site',
      () => `Bearer ${installed.payload.oauthClientSecret}`,
      401,
      'invalid_token',
    ],
    [
      'another context',
      'GET',
      '/api/other/site',
      () => `Bearer ${bearer}`,
      403,
      'resource_not_granted',
    ],
    [
      'another context where the route has no resource',
      'GET',
      '/wiki/other',
      () => `Bearer ${bearer}`,
      403,
      'insufficient_scope',
    ],
    [
      'a resource that was not chosen',
      'GET',
      '/api/acme/secret',
      () => `Bearer ${bearer}`,
      403,
      'resource_not_granted',
    ],
    [
      'Basic where it is not offered',
      'GET',
      '/api/acme/site',
      () => `Basic ${Buffer.from(`x-token-auth:${bearer}`).toString('base64')}`,
      401,
      'token_missing',
    ],
    [
      'Basic under another name',
      'GET',
      '/git/acme/site',
      () => `Basic ${Buffer.from(`alice:${bearer}`).toString('base64')}`,
      401,
      'token_missing',
    ],
    [
      'another place named by the option context',
      'GET',
      '/odd2/other/site',
      () => `Bearer ${bearer}`,
      403,
      'resource_not_granted',
    ],
  ];
  for (const [title, method, path, authorization, status, code] of rows) {
    it(`refuses ${title}`, async () => {
      const answer = await call(method, path, authorization());
      expect([answer.status, answer.json?.code]).to.deep.equal([status, code]);
      expect(answer.text).not.to.include(bearer);
    });
  }

  it('takes a token as Basic password where git sends it so, and asks for Basic otherwise', async () => {
    const asGit = `Basic ${Buffer.from(`x-token-auth:${bearer}`).toString('base64')}`;
    expect((await call('GET', '/git/acme/site', asGit)).status).to.equal(200);
    expect((await call('GET', '/git/acme/site')).headers.get('www-authenticate')).to.match(
      /^Basic /,
    );
  });

  it('never takes a token from the query', async () => {
    expect((await call('GET', `/api/acme/site?access_token=${bearer}`)).status).to.equal(401);
  });

  it('takes a Connect JWT for just this request', async () => {
    const { sharedSecret, clientKey } = installed.payload;
    const sign = (path: string) =>
      `JWT ${jwt.sign({ iss: 'fake-addon', sub: clientKey, exp: Math.floor(Date.now() / 1000) + 60, qsh: queryStringHash('GET', path) }, sharedSecret)}`;
    expect((await call('GET', '/api/acme/site?x=1', sign('/api/acme/site?x=1'))).status).to.equal(
      200,
    );
    expect((await call('GET', '/api/acme/docs', sign('/api/acme/site'))).status).to.equal(401);
  });

  it('would rather fail than guess: a route whose context cannot be told answers 500', async () => {
    expect((await call('GET', '/odd/acme/site', `Bearer ${bearer}`)).status).to.equal(500);
  });

  it('cannot be made for a scope the platform does not have', () => {
    expect(() => running.host.guard('repo')).to.throw('no such scope');
  });

  it('narrows at once when the grant does, for tokens made before', async () => {
    const path = `/installations/${installed.installation.id}`;
    await running.operator('PATCH', path, { resources: ['acme/docs'] });
    expect((await call('GET', '/api/acme/site', `Bearer ${bearer}`)).status).to.equal(403);
    expect((await call('GET', '/api/acme/docs', `Bearer ${bearer}`)).status).to.equal(200);
    await running.operator('PATCH', path, { scopes: [] });
    expect((await call('GET', '/api/acme/docs', `Bearer ${bearer}`)).status).to.equal(403);
  });
});
