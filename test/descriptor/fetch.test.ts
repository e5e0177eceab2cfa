import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Server, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { expect } from 'chai';
import { MortiseError } from '../../src/core/errors.ts';
import { createOutbound, type OutboundTimeouts } from '../../src/core/outbound.ts';
import { fetchDescriptor } from '../../src/descriptor/fetch.ts';
import { selfSigned } from '../core/self-signed.ts';
import { type RunningHost, startHost } from '../helpers/start-host.ts';

const SOUND = `{
  "key": "fetched",
  "name": "Fetched",
  "baseUrl": "https://addon.example",
  "scopes": ["repository"]
}
`;

type Serve = (body: string | Buffer, status?: number, headers?: Record<string, string>) => Answer;
type Answer = RequestListener;

const serve: Serve =
  (body, status = 200, headers = {}) =>
  (_request, response) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(body);
  };

const PATHS: Record<string, Answer> = {
  '/sound': serve(SOUND),
  '/byte-order-mark': serve(`\ufeff${SOUND}`),
  '/as-text': serve(SOUND, 200, { 'content-type': 'text/plain' }),
  '/redirect': serve('', 302, { location: '/sound' }),
  '/redirect-to-nowhere': serve('', 301),
  '/missing': serve('<h1>Not found</h1>', 404),
  '/broken': serve('Error: boom\n    at Object.<anonymous> (/srv/addon/app.js:1:1)', 500),
  '/nothing': serve('', 204),
  '/large': serve(SOUND.padEnd(2_000_000)),
  '/gzip': serve(gzipSync(SOUND), 200, { 'content-encoding': 'gzip' }),
  '/latin-1': serve(Buffer.from(SOUND.replace('Fetched', 'Gel\u00f6scht'), 'latin1')),
  '/utf-16': serve(Buffer.from(`\ufeff${SOUND}`, 'utf16le')),
  '/html': serve('<!DOCTYPE html>\n<title>Sign in</title>', 200, { 'content-type': 'text/html' }),
  '/comment': serve(SOUND.replace('"name"', '// why\n  "name"')),
  '/trailing-comma': serve(SOUND.replace(']\n', '],\n')),
  '/two-values': serve(SOUND + SOUND),
  '/array': serve(`[${SOUND}]`),
  '/empty': serve(''),
  '/null': serve('null'),
  '/closed': (request) => void request.socket.destroy(),
  '/silent': () => {},
  '/half': (_request, response) => {
    response.writeHead(200, { 'content-length': SOUND.length });
    response.write(SOUND.slice(0, 20));
  },
};

describe('fetching a descriptor', () => {
  let host: RunningHost;
  let plain: Listening;
  let tls: Listening;
  let closedPort: number;

  before(async () => {
    host = await startHost();
    plain = await listen(
      createServer((request, response) => PATHS[request.url!]!(request, response)),
    );
    tls = await listen(createTlsServer(selfSigned('localhost'), serve(SOUND)));
    const closed = await listen(createServer());
    closedPort = closed.port;
    await closed.stop();
  });
  after(async () => {
    await plain.stop();
    await tls.stop();
    await host.stop();
  });

  const at = (path: string) => () => `http://127.0.0.1:${plain.port}${path}`;

  type Row = [what: string, url: () => string, code: string, says: RegExp];
  const rows: Row[] = [
    [
      'a name that does not exist',
      () => 'https://no-such-addon.invalid/descriptor.json',
      'descriptor_dns_failed',
      /The host name does not exist\. Check the host name\./,
    ],
    [
      'a port where nothing listens',
      () => `http://127.0.0.1:${closedPort}/`,
      'descriptor_connection_refused',
      /Nothing listens at that address and port\. Check the address, and that the add-on is running/,
    ],
    [
      'a self-signed certificate',
      () => `https://localhost:${tls.port}/`,
      'descriptor_tls_self_signed',
      /The TLS certificate is self-signed\./,
    ],
    [
      'https where plain http is spoken',
      () => `https://127.0.0.1:${plain.port}/`,
      'descriptor_tls_not_spoken',
      /The other side does not speak TLS/,
    ],
    [
      'plain http where https is spoken',
      () => `http://127.0.0.1:${tls.port}/`,
      'descriptor_connection_closed',
      /closed before the answer was complete/,
    ],
    [
      'a connection closed before the answer',
      at('/closed'),
      'descriptor_connection_closed',
      /closed before the answer was complete/,
    ],
    [
      'a redirect',
      at('/redirect'),
      'descriptor_redirect',
      /answers 302, a redirect to \/sound, which this host does not follow\. Give the address it leads to/,
    ],
    [
      'a redirect to nowhere',
      at('/redirect-to-nowhere'),
      'descriptor_redirect',
      /answers 301, a redirect to nowhere/,
    ],
    [
      'status 404',
      at('/missing'),
      'descriptor_status',
      /answers 404 instead of 200\. Check the path/,
    ],
    ['status 500', at('/broken'), 'descriptor_status', /answers 500 instead of 200/],
    ['status 204', at('/nothing'), 'descriptor_status', /answers 204 instead of 200/],
    ['2 MB', at('/large'), 'descriptor_too_large', /larger than 128 KiB/],
    [
      'gzip that nobody asked for',
      at('/gzip'),
      'descriptor_encoding',
      /content-encoding "gzip", though this host accepts none\. Send it uncompressed/,
    ],
    ['Latin-1', at('/latin-1'), 'descriptor_encoding', /not UTF-8 text\. Save it as UTF-8/],
    ['UTF-16', at('/utf-16'), 'descriptor_encoding', /not UTF-8 text/],
    ['an HTML page', at('/html'), 'json_html', /an HTML or XML page, not JSON/],
    ['a comment', at('/comment'), 'json_comment', /JSON has no comments/],
    ['a trailing comma', at('/trailing-comma'), 'json_trailing_comma', /a comma before "}"/],
    ['two values', at('/two-values'), 'json_second_value', /A second value follows/],
    ['an array', at('/array'), 'descriptor_not_object', /one JSON object; this is a list/],
    ['null', at('/null'), 'descriptor_not_object', /one JSON object; this is null/],
    ['an empty document', at('/empty'), 'json_empty', /The document is empty/],
    [
      'a private address',
      () => 'https://10.0.0.1/descriptor.json',
      'descriptor_address_private',
      /not a public address; this host does not call it\. .*publish the add-on on a public address/,
    ],
    [
      'a private address over plain http',
      () => 'http://10.0.0.1/descriptor.json',
      'descriptor_url_not_https',
      /begins with "http:\/\/"; this host calls https only/,
    ],
    [
      'plain http',
      () => 'http://addon.example/descriptor.json',
      'descriptor_url_not_https',
      /calls https only\. Use https/,
    ],
    [
      'ftp',
      () => 'ftp://addon.example/descriptor.json',
      'descriptor_url_not_https',
      /begins with "ftp:\/\/"/,
    ],
    [
      'a file',
      () => 'file:///etc/passwd',
      'descriptor_url_not_https',
      /this host calls https only/,
    ],
    ['a path', () => '/descriptor.json', 'descriptor_url_invalid', /not an absolute URL/],
    ['nothing', () => '', 'descriptor_url_invalid', /not an absolute URL/],
    [
      'a user name and password',
      () => 'https://user:p4ssw0rd@addon.example/descriptor.json',
      'descriptor_url_credentials',
      /The URL carries a user name or password/,
    ],
    [
      'a password with an @ in it',
      () => 'https://user:x@p4ssw0rd@addon.example/descriptor.json',
      'descriptor_url_credentials',
      /The URL carries a user name or password/,
    ],
    [
      'a password and one slash too few',
      () => 'https:/user:p4ssw0rd@addon.example/descriptor.json',
      'descriptor_url_credentials',
      /The URL carries a user name or password/,
    ],
    [
      'a password in what is not a URL',
      () => 'https://user:p4ssw0rd@addon.example:port/',
      'descriptor_url_invalid',
      /not an absolute URL/,
    ],
  ];

  for (const [what, url, code, says] of rows) {
    it(`is refused as ${code}: ${what}`, async () => {
      const installed = await host.operator('POST', '/installations', {
        descriptorUrl: url(),
        context: 'acme',
      });
      expect(installed.status).to.equal(422);
      expect(installed.headers.get('content-type')).to.match(/^application\/problem\+json/);
      expect(installed.json.code).to.equal(code);
      expect(installed.json.detail).to.match(says);
      expect(installed.json.errors).to.have.lengthOf(1);
      expect(installed.json.errors[0]).to.include({ code, severity: 'error' });

      const validated = await host.operator('POST', '/descriptors/validate', {
        descriptorUrl: url(),
      });
      expect(validated.status).to.equal(200);
      expect(validated.json.valid).to.equal(false);
      expect(validated.json.errors).to.deep.equal(installed.json.errors);

      for (const { text } of [installed, validated]) {
        expect(text).not.to.match(/\.[tj]s:\d+|node:|\\n\s+at |ECONN|ENOTFOUND|UND_ERR/);
        expect(text).not.to.contain('p4ssw0rd');
      }
      const { json } = await host.operator('GET', '/installations');
      expect(json.items).to.deep.equal([]);
    });
  }

  it('asks for JSON, uncompressed, as Mortise, and for nothing else', async () => {
    plain.requests.length = 0;
    await host.operator('POST', '/descriptors/validate', { descriptorUrl: at('/sound')() });
    expect(plain.requests).to.have.lengthOf(1);
    const [{ method, url, headers }] = plain.requests as [(typeof plain.requests)[number]];
    expect([method, url]).to.deep.equal(['GET', '/sound']);
    expect(headers).to.include({
      accept: 'application/json',
      'accept-encoding': 'identity',
      'user-agent': 'Mortise',
    });
    expect(headers).not.to.have.any.keys('authorization', 'cookie');
  });

  it('does not follow a redirect', async () => {
    plain.requests.length = 0;
    await host.operator('POST', '/descriptors/validate', { descriptorUrl: at('/redirect')() });
    expect(plain.requests.map(({ url }) => url)).to.deep.equal(['/redirect']);
  });

  for (const path of ['/sound', '/as-text', '/byte-order-mark']) {
    it(`succeeds: ${path.slice(1).replaceAll('-', ' ')}`, async () => {
      const { status, json } = await host.operator('POST', '/descriptors/validate', {
        descriptorUrl: at(path)(),
      });
      expect([status, json.valid, json.errors]).to.deep.equal([200, true, []]);
      expect(json.asks).to.include({ key: 'fetched', baseUrl: 'https://addon.example' });
    });
  }

  it('takes a byte order mark at install as well, and what is installed can be read', async () => {
    const own = await startHost();
    try {
      const installed = await own.operator('POST', '/installations', {
        descriptorUrl: at('/byte-order-mark')(),
        context: 'acme',
      });
      const list = await own.operator('GET', '/installations');
      expect([installed.status, list.status]).to.deep.equal([201, 200]);
      expect(list.json.items[0].name).to.equal('Fetched');
    } finally {
      await own.stop();
    }
  });

  const SHORT: OutboundTimeouts = { connectMs: 300, headersMs: 10_000, totalMs: 300 };
  for (const path of ['/silent', '/half']) {
    it(`ends in time: ${path.slice(1)}`, async () => {
      const outbound = createOutbound({ loopback: true, ranges: [], ports: [] }, SHORT);
      const error = await errorOf(fetchDescriptor(at(path)(), outbound));
      await outbound.close();
      expect([error.code, error.status]).to.deep.equal(['descriptor_timeout', 422]);
      expect(error.message).to.match(/could not be fetched\. There was no complete answer within/);
      expect(error.hint).to.match(/Try again/);
    });
  }

  it('names what is wrong with a certificate of a known authority', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'mortise-tls-'));
    const day = (n: number) => new Date(Date.now() + n * 24 * 3_600_000);
    const certificates = {
      sound: selfSigned('localhost'),
      expired: selfSigned('localhost', day(-9), day(-2)),
      early: selfSigned('localhost', day(2), day(9)),
      otherHost: selfSigned('elsewhere.example'),
    };
    const servers = await Promise.all(
      Object.values(certificates).map((c) => listen(createTlsServer(c, serve(SOUND)))),
    );
    const authorities = join(folder, 'authorities.pem');
    writeFileSync(
      authorities,
      Object.values(certificates)
        .map(({ cert }) => cert)
        .join(''),
    );
    const source = (path: string) => JSON.stringify(new URL(path, import.meta.url).href);
    const script = `
      import { createOutbound } from ${source('../../src/core/outbound.ts')};
      import { fetchDescriptor } from ${source('../../src/descriptor/fetch.ts')};
      const outbound = createOutbound({ loopback: true, ranges: [], ports: [] });
      const codes = [];
      for (const port of ${JSON.stringify(servers.map(({ port }) => port))}) {
        codes.push(await fetchDescriptor('https://localhost:' + port, outbound).then(() => 'fetched', ({ code }) => code));
      }
      await outbound.close();
      console.log(JSON.stringify(codes));
    `;
    try {
      const { stdout } = await promisify(execFile)(
        process.execPath,
        ['--import', 'tsx', '--input-type=module', '--eval', script],
        { env: { ...process.env, NODE_EXTRA_CA_CERTS: authorities } },
      );
      expect(JSON.parse(stdout)).to.deep.equal([
        'fetched',
        'descriptor_tls_expired',
        'descriptor_tls_not_yet_valid',
        'descriptor_tls_wrong_host',
      ]);
    } finally {
      await Promise.all(servers.map((server) => server.stop()));
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

interface Listening {
  port: number;
  requests: { method: string; url: string; headers: Record<string, unknown> }[];
  stop(): Promise<void>;
}

async function listen(server: Server): Promise<Listening> {
  const sockets = new Set<Socket>();
  const requests: Listening['requests'] = [];
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  server.on('request', ({ method, url, headers }) => requests.push({ method, url, headers }));
  server.on('tlsClientError', () => {});
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    requests,
    async stop() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function errorOf(promise: Promise<unknown>): Promise<MortiseError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof MortiseError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}
