import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import net, { type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { expect } from 'chai';
import type { OutboundPolicy } from '../../src/core/addresses.ts';
import { PUBLIC_ONLY } from '../../src/core/addresses.ts';
import {
  createOutbound,
  type Outbound,
  type OutboundAnswer,
  type OutboundRequest,
  type OutboundTimeouts,
} from '../../src/core/outbound.ts';
import { until } from '../helpers/until.ts';
import { selfSigned } from './self-signed.ts';

const LOOPBACK: OutboundPolicy = { loopback: true, ranges: [], ports: [] };
const SHORT: OutboundTimeouts = { connectMs: 300, headersMs: 300, totalMs: 500 };
/** Public addresses only, at the one port where a test looks for connections. */
const calling = (port: number): OutboundPolicy => ({ ...PUBLIC_ONLY, ports: [port] });
const PUBLIC_ADDRESS = '93.184.215.14';

type Resolve = NonNullable<Parameters<typeof createOutbound>[2]>;
type Failure = OutboundAnswer & { kind: 'failure' };
type Answered = OutboundAnswer & { kind: 'answer' };

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** A server that records who came and what was asked. */
async function listening(
  answer: RequestListener = (_request, response) => response.end('ok'),
  host = '127.0.0.1',
  port = 0,
) {
  const requests: { method: string; url: string; headers: Record<string, unknown> }[] = [];
  const server: Server = createServer((request, response) => {
    const { method, url, headers } = request;
    requests.push({ method: method!, url: url!, headers });
    answer(request, response);
  });
  const seen = await openServer(server, host, port);
  return Object.assign(seen, { url: `http://127.0.0.1:${seen.port}`, requests });
}

async function openServer(server: net.Server, host = '127.0.0.1', port = 0) {
  const sockets: net.Socket[] = [];
  const seen = {
    port: 0,
    connections: 0,
    /** Whether the first connection has ended, from the other side or this one. */
    isOver: () => sockets[0]?.closed === true,
  };
  server.on('connection', (socket) => {
    seen.connections++;
    sockets.push(socket);
    socket.on('error', () => {});
  });
  await new Promise<void>((resolve) => server.listen(port, host, resolve));
  seen.port = (server.address() as AddressInfo).port;
  cleanups.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return seen;
}

/** Speaks bytes, not HTTP. */
function rawServer(onConnection: (socket: net.Socket) => void) {
  return openServer(net.createServer(onConnection));
}

function outbound(policy = LOOPBACK, timeouts?: OutboundTimeouts, resolve?: Resolve): Outbound {
  const made = createOutbound(policy, timeouts, resolve);
  cleanups.push(() => made.close());
  return made;
}

function get(url: string, more: Partial<OutboundRequest> = {}): OutboundRequest {
  return { method: 'GET', url, headers: {}, maxBytes: 1_000, ...more };
}

/** A resolver that answers from a script: one list of addresses a question, the last one for ever. */
function scripted(...answers: string[][]) {
  const asked: string[] = [];
  const resolve = ((name: string, _options: unknown, callback: (...args: unknown[]) => void) => {
    const addresses = answers[Math.min(asked.length, answers.length - 1)]!;
    asked.push(name);
    const rows = addresses.map((address) => ({ address, family: net.isIP(address) }));
    setImmediate(callback, null, rows);
  }) as unknown as Resolve;
  return { resolve, asked };
}

describe('a literal address', () => {
  const hosts = [
    '127.0.0.1',
    '127.1',
    '2130706433',
    '0177.0.0.1',
    '0x7f.1',
    '0x7f000001',
    '%31%32%37.0.0.1',
    '①②⑦.0.0.1',
    '127。0。0。1',
    '127.0.0\u00ad.1',
    '127.0.0.1.',
    '017700000001',
    '0xa9fea9fe',
    '0251.0376.0251.0376',
    '2852039166',
    '[0:0:0:0:0:ffff:169.254.169.254]',
    '[::ffff:a9fe:a9fe]',
    '[fd00:ec2::254]',
    '[fec0::1]',
    '[ff02::1]',
    '[64:ff9b:1::a00:1]',
    '[2001:0:a00:1::]',
    '168.63.129.16',
    '192.88.99.1',
    '224.0.0.1',
    '0.0.0.0',
    '0',
    '10.0.0.1',
    '100.64.0.1',
    '169.254.169.254',
    '172.16.0.1',
    '192.168.1.1',
    '198.18.0.1',
    '255.255.255.255',
    '[::]',
    '[::1]',
    '[::127.0.0.1]',
    '[::ffff:127.0.0.1]',
    '[::ffff:10.0.0.1]',
    '[64:ff9b::a00:1]',
    '[64:ff9b::127.0.0.1]',
    '[2002:7f00:1::]',
    '[fd00::1]',
    '[fe80::1]',
    'localhost',
    'localhost.',
    'LOCALHOST',
    'addon.localhost',
  ];
  for (const host of hosts) {
    it(`that is private is refused without a connection: ${host}`, async () => {
      const canary = await listening(undefined, '0.0.0.0');
      const answer = await outbound(calling(canary.port), SHORT).send(
        get(`https://${host}:${canary.port}/`),
      );
      const { kind, code, message } = answer as Failure;
      expect(kind).to.equal('failure');
      // A spelling that this machine's resolver does not know leads nowhere either.
      if (!host.includes('localhost') || code !== 'dns_failed') {
        expect(code).to.equal('address_private');
        expect(message).to.match(/not a public address; this host does not call it\.$/);
      }
      expect(canary.connections).to.equal(0);
    });
  }

  for (const host of ['10.0.0.1', '169.254.169.254', '0.0.0.0', '[fd00::1]']) {
    it(`that is private is refused though loopback is allowed: ${host}`, async () => {
      const canary = await listening(undefined, '0.0.0.0');
      const answer = await outbound({ ...LOOPBACK, ports: [canary.port] }, SHORT).send(
        get(`https://${host}:${canary.port}/`),
      );
      expect((answer as Failure).code).to.equal('address_private');
      expect(canary.connections).to.equal(0);
    });
  }

  it('is not said to resolve to itself', async () => {
    const answer = await outbound(PUBLIC_ONLY).send(get('https://10.0.0.1/'));
    expect((answer as Failure).message).to.match(/^"10\.0\.0\.1" is not a public address/);
  });

  it('of loopback is called where that is allowed', async () => {
    const server = await listening();
    const answer = (await outbound().send(get(`${server.url}/path?q=1#fragment`))) as Answered;
    expect([answer.kind, answer.status, answer.body.toString()]).to.deep.equal([
      'answer',
      200,
      'ok',
    ]);
    expect(server.requests[0]!.url).to.equal('/path?q=1');
  });
});

describe('a URL', () => {
  const rows: [url: string, code: string, policy: OutboundPolicy][] = [
    ['addon.example', 'url_invalid', PUBLIC_ONLY],
    ['/path', 'url_invalid', PUBLIC_ONLY],
    ['https://', 'url_invalid', PUBLIC_ONLY],
    ['https://:443/', 'url_invalid', PUBLIC_ONLY],
    ['https://@/', 'url_invalid', PUBLIC_ONLY],
    ['https://[fe80::1%25eth0]/', 'url_invalid', PUBLIC_ONLY],
    ['https://[::1%lo]/', 'url_invalid', LOOPBACK],
    ['https://addon.example%00.example/', 'url_invalid', PUBLIC_ONLY],
    ['https://addon.example%2f@addon.example/', 'url_credentials', PUBLIC_ONLY],
    ['https://256.0.0.1/', 'url_invalid', PUBLIC_ONLY],
    ['https://127.0.0.09/', 'url_invalid', PUBLIC_ONLY],
    ['https://1.2.3.4.5/', 'url_invalid', PUBLIC_ONLY],
    ['https://addon.example:65536/', 'url_invalid', PUBLIC_ONLY],
    ['https://addon.example:80/', 'url_port', PUBLIC_ONLY],
    ['https://addon.example:22/', 'url_port', PUBLIC_ONLY],
    ['https://addon.example:0/', 'url_port', PUBLIC_ONLY],
    ['https://addon.example:8443/', 'url_port', LOOPBACK],
    ['https://addon.example:8444/', 'url_port', calling(8443)],
    ['http://addon.example:8443/', 'url_not_https', calling(8443)],
    ['https://user:p4ssw0rd@addon.example/', 'url_credentials', PUBLIC_ONLY],
    ['https://user@addon.example/', 'url_credentials', PUBLIC_ONLY],
    ['http://addon.example/', 'url_not_https', PUBLIC_ONLY],
    ['http://127.0.0.1/', 'url_not_https', PUBLIC_ONLY],
    ['http://addon.example/', 'url_not_https', LOOPBACK],
    ['http://10.0.0.1/', 'url_not_https', LOOPBACK],
    ['http://localhost.example/', 'url_not_https', LOOPBACK],
    ['ftp://addon.example/', 'url_not_https', PUBLIC_ONLY],
    ['file:///etc/passwd', 'url_not_https', LOOPBACK],
    ['data:application/json,{}', 'url_not_https', LOOPBACK],
  ];
  for (const [url, code, policy] of rows) {
    const where = policy.loopback ? ' with loopback allowed' : '';
    it(`is refused as ${code}${where}: ${url}`, async () => {
      const { resolve, asked } = scripted([PUBLIC_ADDRESS]);
      const answer = (await outbound(policy, SHORT, resolve).send(get(url))) as Failure;
      expect([answer.kind, answer.code]).to.deep.equal(['failure', code]);
      expect(answer.message).not.to.contain('p4ssw0rd');
      expect(asked).to.deep.equal([]);
    });
  }
});

describe('a port', () => {
  const resolvedFor = async (url: string, policy: OutboundPolicy) => {
    const { resolve, asked } = scripted(['10.0.0.1']);
    const answer = await outbound(policy, SHORT, resolve).send(get(url));
    return [(answer as Failure).code, asked.length];
  };

  it('that the deployment allows is called, and so is 443, named or not', async () => {
    for (const url of [
      'https://addon.example:8443/',
      'https://addon.example:443/',
      'https://addon.example/',
    ])
      expect(await resolvedFor(url, calling(8443)), url).to.deep.equal(['address_private', 1]);
  });

  it('is said with those that may be called', async () => {
    const policy = { ...PUBLIC_ONLY, ports: [8443, 9443] };
    const answer = (await outbound(policy).send(get('https://addon.example:22/'))) as Failure;
    expect(answer.message).to.equal(
      'The URL names port 22; this host calls ports 443, 8443 and 9443 only.',
    );
    const bare = (await outbound(PUBLIC_ONLY).send(get('https://addon.example:22/'))) as Failure;
    expect(bare.message).to.equal('The URL names port 22; this host calls port 443 only.');
  });
});

describe('a name', () => {
  const mixes: [what: string, addresses: string[]][] = [
    ['a private address', ['10.0.0.1']],
    ['a public and a private address', [PUBLIC_ADDRESS, '10.0.0.1']],
    ['a private and a public address', ['127.0.0.1', PUBLIC_ADDRESS]],
    ['a public IPv4 and a private IPv6 address', [PUBLIC_ADDRESS, 'fd00::1']],
    ['a mapped private address', ['::ffff:127.0.0.1']],
    ['the metadata address of a cloud', ['169.254.169.254']],
    ['no address at all', []],
  ];
  for (const [what, addresses] of mixes) {
    it(`with ${what} is refused without a connection`, async () => {
      const canary = await listening(undefined, '0.0.0.0');
      const { resolve, asked } = scripted(addresses);
      const answer = (await outbound(calling(canary.port), SHORT, resolve).send(
        get(`https://addon.example:${canary.port}/`),
      )) as Failure;
      expect(answer.code).to.equal('address_private');
      expect(answer.message).to.match(/^"addon\.example" resolves to /);
      expect(asked).to.deep.equal(['addon.example']);
      expect(canary.connections).to.equal(0);
    });
  }

  it('that changes its mind is asked once a connection, and its private answer never reached', async () => {
    const allowed = await rawServer((socket) => socket.destroy());
    const canary = await openServer(net.createServer(), '127.0.0.2', allowed.port);
    const { resolve, asked } = scripted(['127.0.0.1'], ['127.0.0.2']);
    const policy = { loopback: false, ranges: ['127.0.0.1/32'], ports: [allowed.port] };
    const out = outbound(policy, SHORT, resolve);
    const url = `https://rebind.example:${allowed.port}/`;
    const first = (await out.send(get(url))) as Failure;
    expect(first.code).to.equal('tls_failed');
    expect([allowed.connections, asked.length]).to.deep.equal([1, 1]);
    for (let i = 0; i < 3; i++)
      expect(((await out.send(get(url))) as Failure).code).to.equal('address_private');
    expect(allowed.connections).to.equal(1);
    expect(canary.connections).to.equal(0);
  });

  it('is not asked again while its connection is kept: the vetted address stays', async () => {
    const server = await listening();
    const { resolve, asked } = scripted(['127.0.0.1'], ['10.0.0.1']);
    const out = outbound(LOOPBACK, SHORT, resolve);
    for (let i = 0; i < 3; i++) {
      const answer = await out.send(get(`http://addon.localhost:${server.port}/`));
      expect((answer as Answered).status).to.equal(200);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    expect([server.connections, asked.length]).to.deep.equal([1, 1]);
  });

  const resolverFailures: [errno: string, code: string][] = [
    ['ENOTFOUND', 'dns_failed'],
    ['EAI_AGAIN', 'dns_failed'],
  ];
  for (const [errno, code] of resolverFailures) {
    it(`that is answered with ${errno} is told as ${code}`, async () => {
      const resolve = ((_n: string, _o: unknown, callback: (error: Error) => void) =>
        setImmediate(
          callback,
          Object.assign(new Error(errno), { code: errno }),
        )) as unknown as Resolve;
      const answer = await outbound(PUBLIC_ONLY, SHORT, resolve).send(
        get('https://addon.example/'),
      );
      expect((answer as Failure).code).to.equal(code);
    });
  }

  it('that is never answered ends in time', async () => {
    const silent = (() => {}) as unknown as Resolve;
    const answer = (await outbound(PUBLIC_ONLY, SHORT, silent).send(
      get('https://addon.example/'),
    )) as Failure;
    expect(answer.code).to.be.oneOf(['connect_timeout', 'timeout']);
    expect(answer.durationMs).to.be.below(2_000);
  });
});

describe('an allowed range', () => {
  it('is called over https like any public address, and its certificate checked', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'mortise-tls-'));
    cleanups.push(() => rmSync(folder, { recursive: true, force: true }));
    const certificate = selfSigned('localhost');
    const authorities = join(folder, 'cert.pem');
    writeFileSync(authorities, certificate.cert);
    const server = await openServer(
      createTlsServer(certificate, (_request, response) => response.end('over TLS')),
    );
    const script = `
      import { createOutbound } from ${JSON.stringify(new URL('../../src/core/outbound.ts', import.meta.url).href)};
      const out = createOutbound({ loopback: false, ranges: ['127.0.0.0/8', '::1/128'], ports: [${server.port}] });
      const send = (url) => out.send({ method: 'GET', url, headers: {}, maxBytes: 100 });
      const byName = await send('https://localhost:${server.port}/');
      const byAddress = await send('https://127.0.0.1:${server.port}/');
      console.log(JSON.stringify([byName.status, byAddress.code]));
      await out.close();
    `;
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--import', 'tsx', '--input-type=module', '--eval', script],
      { env: { ...process.env, NODE_EXTRA_CA_CERTS: authorities } },
    );
    expect(JSON.parse(stdout)).to.deep.equal([200, 'tls_wrong_host']);
  });

  it('does not allow plain http', async () => {
    const canary = await listening();
    const out = outbound({ loopback: false, ranges: ['127.0.0.0/8'], ports: [] });
    expect(((await out.send(get(canary.url))) as Failure).code).to.equal('url_not_https');
    expect(canary.connections).to.equal(0);
  });
});

describe('a TLS handshake', () => {
  const rows: [what: string, code: string, onConnection: (socket: net.Socket) => void][] = [
    ['that never ends', 'tls_timeout', (socket) => socket.resume()],
    [
      'that is broken off',
      'tls_failed',
      (socket) => socket.once('data', () => socket.resetAndDestroy()),
    ],
    [
      'that is answered in plain HTTP',
      'tls_not_spoken',
      (socket) => socket.once('data', () => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')),
    ],
  ];
  for (const [what, code, onConnection] of rows) {
    it(`${what} is told as ${code}, and nothing is sent in plain`, async () => {
      let received = Buffer.alloc(0);
      const server = await rawServer((socket) => {
        socket.on('data', (data) => {
          received = Buffer.concat([received, data as Buffer]);
        });
        onConnection(socket);
      });
      const answer = (await outbound(LOOPBACK, SHORT).send(
        get(`https://127.0.0.1:${server.port}/secret`),
      )) as Failure;
      expect(answer.code).to.equal(code);
      expect(received.toString('latin1')).not.to.contain('/secret');
      expect(server.connections).to.equal(1);
    });
  }
});

describe('an answer', () => {
  for (const status of [301, 302, 303, 307, 308]) {
    it(`of ${status} is returned, and its redirect not followed`, async () => {
      const canary = await listening();
      const server = await listening((_request, response) =>
        response.writeHead(status, { location: `${canary.url}/elsewhere` }).end(),
      );
      const answer = (await outbound().send(
        get(server.url, { method: 'POST', body: Buffer.from('{}') }),
      )) as Answered;
      expect([answer.kind, answer.status]).to.deep.equal(['answer', status]);
      expect(answer.headers.location).to.equal(`${canary.url}/elsewhere`);
      expect(server.requests).to.have.lengthOf(1);
      expect(canary.connections).to.equal(0);
    });
  }

  it('that follows early hints is the answer', async () => {
    const server = await listening((_request, response) => {
      response.writeEarlyHints({ link: '</style.css>; rel=preload' });
      response.writeHead(201).end('made');
    });
    const answer = (await outbound().send(get(server.url))) as Answered;
    expect([answer.status, answer.body.toString()]).to.deep.equal([201, 'made']);
  });

  it('without an end is cut at maxBytes, and its connection closed', async () => {
    const server = await listening((_request, response) => {
      const write = () => {
        while (!response.destroyed && response.write('x'.repeat(16_384)));
      };
      response.on('drain', write);
      write();
    });
    const answer = (await outbound().send(get(server.url, { maxBytes: 100_000 }))) as Answered;
    expect([answer.kind, answer.status, answer.isTruncated]).to.deep.equal(['answer', 200, true]);
    expect(answer.body).to.have.lengthOf(100_000);
    await until(server.isOver, 'the connection to be closed');
  });

  for (const [length, isTruncated] of [
    [99, false],
    [100, false],
    [101, true],
  ] as const) {
    it(`of ${length} bytes is ${isTruncated ? '' : 'not '}cut at 100`, async () => {
      const server = await listening((_request, response) => response.end('x'.repeat(length)));
      const answer = (await outbound().send(get(server.url, { maxBytes: 100 }))) as Answered;
      expect(answer.isTruncated).to.equal(isTruncated);
      expect(answer.body).to.have.lengthOf(Math.min(length, 100));
    });
  }

  it('is not decompressed, and nothing compressed is asked for', async () => {
    const bomb = gzipSync(Buffer.alloc(10_000_000));
    const server = await listening((_request, response) =>
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(bomb),
    );
    const answer = (await outbound().send(
      get(server.url, { headers: { 'accept-encoding': 'gzip' }, maxBytes: 1_000_000 }),
    )) as Answered;
    expect(answer.body.equals(bomb)).to.equal(true);
    expect(answer.headers['content-encoding']).to.equal('gzip');
    expect(server.requests[0]!.headers['accept-encoding']).to.equal('identity');
  });

  const broken: [what: string, code: string, onConnection: (socket: net.Socket) => void][] = [
    [
      'no answer, the connection closed',
      'connection_closed',
      (socket) => socket.once('data', () => socket.end()),
    ],
    [
      'no answer, the connection reset',
      'connection_closed',
      (socket) => socket.once('data', () => socket.resetAndDestroy()),
    ],
    [
      'half a body, the connection closed',
      'connection_closed',
      (socket) =>
        socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf')),
    ],
    [
      'half of the chunks, the connection closed',
      'connection_closed',
      (socket) =>
        socket.once('data', () =>
          socket.end('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n'),
        ),
    ],
    [
      'the greeting of another protocol',
      'bad_response',
      (socket) => void socket.resume().write('SSH-2.0-OpenSSH_9.6\r\n'),
    ],
    [
      'another protocol after the request',
      'bad_response',
      (socket) => socket.once('data', () => socket.write('220 mail.example ESMTP\r\n')),
    ],
    [
      'headers without an end',
      'bad_response',
      (socket) =>
        socket.once('data', () =>
          socket.write(
            `HTTP/1.1 200 OK\r\n${'X-Long: '.concat('x'.repeat(1_000), '\r\n').repeat(100)}`,
          ),
        ),
    ],
    ['silence', 'timeout', (socket) => socket.resume()],
    [
      'a status line and then silence',
      'timeout',
      (socket) => socket.once('data', () => socket.write('HTTP/1.1 200 OK\r\n')),
    ],
    [
      'headers and then silence',
      'timeout',
      (socket) =>
        socket.once('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n')),
    ],
  ];
  for (const [what, code, onConnection] of broken) {
    it(`that is ${what} is told as ${code}`, async () => {
      const server = await rawServer(onConnection);
      const answer = (await outbound(LOOPBACK, SHORT).send(
        get(`http://127.0.0.1:${server.port}/`),
      )) as Failure;
      expect([answer.kind, answer.code]).to.deep.equal(['failure', code]);
      expect(answer.message).to.match(/^[A-Z].*\.$/);
      await until(server.isOver, 'the connection to be closed');
    });
  }

  it('that nobody gives is told as connection_refused', async () => {
    const server = net.createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    await new Promise((resolve) => server.close(resolve));
    const answer = await outbound().send(get(`http://127.0.0.1:${port}/`));
    expect((answer as Failure).code).to.equal('connection_refused');
  });
});

describe('the total deadline', () => {
  it('includes the body, however steadily it drips', async () => {
    const server = await listening((_request, response) => {
      response.writeHead(200);
      const drip = setInterval(() => response.write('x'), 100);
      response.on('close', () => clearInterval(drip));
    });
    const timeouts = { connectMs: 300, headersMs: 10_000, totalMs: 450 };
    const started = performance.now();
    const answer = (await outbound(LOOPBACK, timeouts).send(get(server.url))) as Failure;
    const took = performance.now() - started;
    expect([answer.kind, answer.code]).to.deep.equal(['failure', 'timeout']);
    expect(answer.message).to.equal('There was no complete answer within 0.45 s.');
    expect(took).to.be.within(440, 2_000);
    expect(answer.durationMs).to.be.within(440, 2_000);
    await until(server.isOver, 'the connection to be closed');
  });

  it('leaves nothing behind: no second connection is made for what was given up', async () => {
    const server = await listening(() => {});
    await outbound(LOOPBACK, SHORT).send(get(server.url));
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(server.connections).to.equal(1);
  });

  it('includes the wait for a free connection', async () => {
    const server = await listening(() => {});
    const out = outbound(LOOPBACK, { connectMs: 300, headersMs: 10_000, totalMs: 400 });
    const answers = await Promise.all(
      Array.from({ length: 70 }, (_, i) => out.send(get(`${server.url}/${i}`))),
    );
    expect(answers.map((answer) => (answer as Failure).code)).to.deep.equal(
      Array(70).fill('timeout'),
    );
    expect(server.requests).to.have.lengthOf.at.least(64);
  });

  it('includes the wait for a connection, and nothing is sent after it', async () => {
    const server = await listening();
    const { resolve } = scripted(['127.0.0.1']);
    let isResolved = false;
    const slow = ((...question: Parameters<typeof resolve>) => {
      setTimeout(() => {
        isResolved = true;
        resolve(...question);
      }, 400);
    }) as unknown as Resolve;
    const out = outbound(LOOPBACK, { connectMs: 2_000, headersMs: 10_000, totalMs: 200 }, slow);
    const answer = await out.send(get(`http://addon.localhost:${server.port}/`));
    expect([(answer as Failure).code, isResolved]).to.deep.equal(['timeout', false]);
    await until(() => server.connections === 1, 'the connection that nobody waits for');
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(server.requests).to.deep.equal([]);
  });
});

describe('mayStart', () => {
  it('that says no sends nothing', async () => {
    const server = await listening();
    const out = outbound();
    const answer = await out.send(
      get(server.url, { method: 'POST', body: Buffer.from('{}'), mayStart: () => false }),
    );
    expect(answer).to.deep.equal({ kind: 'withheld' });
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(server.requests).to.deep.equal([]);
    expect(((await out.send(get(server.url))) as Answered).status).to.equal(200);
  });

  it('is asked when the request has its connection, not while it waits for one', async () => {
    const release: (() => void)[] = [];
    const server = await listening((_request, response) => {
      release.push(() => response.end());
    });
    const out = outbound();
    const running = Array.from({ length: 64 }, () => out.send(get(server.url)));
    await until(() => server.requests.length === 64, '64 requests');
    let isAllowed = true;
    const waiting = out.send(get(server.url, { mayStart: () => isAllowed }));
    isAllowed = false;
    for (const end of release) end();
    await Promise.all(running);
    expect(await waiting).to.deep.equal({ kind: 'withheld' });
    expect(server.requests).to.have.lengthOf(64);
  });
});

describe('closing', () => {
  it('ends what is under way', async () => {
    const server = await listening(() => {});
    const out = createOutbound(LOOPBACK);
    const answer = out.send(get(server.url));
    await until(() => server.requests.length === 1, 'the request');
    await out.close();
    expect((await answer).kind).to.equal('failure');
    await until(server.isOver, 'the connection to be closed');
  });
});
