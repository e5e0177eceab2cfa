import { createServer, type RequestListener } from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { expect } from 'chai';
import {
  createOutbound,
  type Outbound,
  type OutboundAnswer,
  type OutboundRequest,
} from '../../src/core/outbound.ts';
import { until } from '../helpers/until.ts';

const LOOPBACK = { loopback: true, ranges: [], ports: [] };
const IDLE_CONNECTIONS = 256;

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** Each connection with the requests that came on it. */
async function listening(answer: RequestListener) {
  const connections: { socket: net.Socket; requests: number }[] = [];
  const server = createServer((request, response) => {
    connections.find(({ socket }) => socket === request.socket)!.requests++;
    request.resume().on('end', () => answer(request, response));
  });
  server.keepAliveTimeout = 60_000;
  server.on('connection', (socket) => {
    connections.push({ socket, requests: 0 });
    socket.on('error', () => {});
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanups.push(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return {
    port,
    url: `http://127.0.0.1:${port}/`,
    connections,
    open: () => connections.filter(({ socket }) => !socket.destroyed).length,
  };
}

function outbound(resolve?: Parameters<typeof createOutbound>[2]): Outbound {
  const made = createOutbound(LOOPBACK, undefined, resolve);
  cleanups.push(() => made.close());
  return made;
}

function post(url: string, more: Partial<OutboundRequest> = {}): OutboundRequest {
  return {
    method: 'POST',
    url,
    headers: {},
    body: Buffer.from('{}'),
    maxBytes: 1_000,
    ...more,
  };
}

const statusOf = (answer: OutboundAnswer) =>
  answer.kind === 'answer' ? answer.status : answer.kind === 'failure' ? answer.code : answer.kind;

/** Answers the first request of a connection; what comes then on it is for `second` to deal with. */
async function onlyOnce(second: (socket: net.Socket) => void) {
  const server = await listening((request, response) => {
    const { requests } = server.connections.find(({ socket }) => socket === request.socket)!;
    if (requests === 1) response.writeHead(204).end();
    else second(request.socket);
  });
  return server;
}

describe('a kept connection', () => {
  const ways: [how: string, second: (socket: net.Socket) => void][] = [
    ['closed', (socket) => void socket.end()],
    ['reset', (socket) => void socket.resetAndDestroy()],
  ];
  for (const [how, second] of ways) {
    it(`that was ${how} when the request came costs no attempt: it goes over a new one`, async () => {
      const server = await onlyOnce(second);
      const out = outbound();
      expect(statusOf(await out.send(post(server.url)))).to.equal(204);
      expect(statusOf(await out.send(post(server.url)))).to.equal(204);
      expect(server.connections.map(({ requests }) => requests)).to.deep.equal([2, 1]);
    });
  }

  it('that was closed is followed by one more request, never by two', async () => {
    let isClosing = false;
    const server = await listening((request, response) => {
      if (isClosing) request.socket.destroy();
      else setTimeout(() => response.writeHead(204).end(), 50);
    });
    const out = outbound();
    await Promise.all(Array.from({ length: 3 }, () => out.send(post(server.url))));
    isClosing = true;
    expect(statusOf(await out.send(post(server.url)))).to.equal('connection_closed');
    const sent = server.connections.reduce((sum, { requests }) => sum + requests, 0);
    expect(sent).to.equal(3 + 2);
  });

  it('makes room for a request that needs a new one, idle or in use as they all are', async () => {
    let isHeld = true;
    const held: (() => void)[] = [];
    const server = await listening((_request, response) => {
      const end = () => response.writeHead(204).end();
      if (isHeld) held.push(end);
      else end();
    });
    const out = outbound();
    const CONNECTIONS_PER_ORIGIN = 64;
    const all = Array.from({ length: CONNECTIONS_PER_ORIGIN }, () => out.send(post(server.url)));
    await until(() => held.length === CONNECTIONS_PER_ORIGIN, 'all to be in use');
    const waiting = out.send(post(server.url, { once: true }));
    isHeld = false;
    for (const end of held) end();
    await Promise.all(all);
    expect(statusOf(await waiting)).to.equal(204);
    expect(statusOf(await out.send(post(server.url, { once: true })))).to.equal(204);
    expect(server.connections).to.have.length(CONNECTIONS_PER_ORIGIN + 2);
    expect(server.connections.slice(-2).map(({ requests }) => requests)).to.deep.equal([1, 1]);
  });

  it('that was closed asks again whether the request may start', async () => {
    const server = await onlyOnce((socket) => void socket.end());
    const out = outbound();
    await out.send(post(server.url));
    let asked = 0;
    const answer = await out.send(post(server.url, { mayStart: () => ++asked === 1 }));
    expect([statusOf(answer), asked]).to.deep.equal(['withheld', 2]);
    expect(server.connections.map(({ requests }) => requests)).to.deep.equal([2, 0]);
  });

  it('that breaks off an answer it has begun is a failure', async () => {
    const server = await onlyOnce((socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n', () => socket.destroy());
    });
    const out = outbound();
    await out.send(post(server.url));
    expect(statusOf(await out.send(post(server.url)))).to.equal('connection_closed');
    expect(server.connections).to.have.lengthOf(1);
  });

  it('is not taken for what is sent once', async () => {
    const server = await onlyOnce((socket) => void socket.end());
    const out = outbound();
    await out.send(post(server.url));
    expect(statusOf(await out.send(post(server.url, { once: true })))).to.equal(204);
    expect(server.connections.map(({ requests }) => requests)).to.deep.equal([1, 1]);
  });

  it('serves one request after another', async () => {
    const server = await listening((_request, response) => response.writeHead(204).end());
    const out = outbound();
    for (let i = 0; i < 20; i++) expect(statusOf(await out.send(post(server.url)))).to.equal(204);
    expect(server.connections).to.have.lengthOf(1);
  });

  it('that is a new one is not tried twice', async () => {
    const server = await listening((request) => request.socket.destroy());
    expect(statusOf(await outbound().send(post(server.url)))).to.equal('connection_closed');
    expect(server.connections).to.have.lengthOf(1);
  });
});

describe('the connections of a host', () => {
  it('to one origin are 64 at most, and what waits for one is served', async () => {
    const server = await listening((_request, response) => {
      setTimeout(() => response.writeHead(204).end(), 100);
    });
    const out = outbound();
    const answers = await Promise.all(
      Array.from({ length: 200 }, () => out.send(post(server.url))),
    );
    expect(new Set(answers.map(statusOf))).to.deep.equal(new Set([204]));
    expect(server.connections).to.have.lengthOf(64);
  });

  it('to many origins are kept for the last of them only', async () => {
    const server = await listening((_request, response) => response.writeHead(204).end());
    const loopback = ((_name: string, _options: unknown, callback: (...of: unknown[]) => void) =>
      setImmediate(callback, null, [{ address: '127.0.0.1', family: 4 }])) as unknown as Parameters<
      typeof createOutbound
    >[2];
    const out = outbound(loopback);
    for (let i = 0; i < 1_000; i += 50) {
      await Promise.all(
        Array.from({ length: 50 }, (_, j) =>
          out.send(post(`http://addon-${i + j}.localhost:${server.port}/`)),
        ),
      );
    }
    expect(server.connections).to.have.lengthOf(1_000);
    await until(() => server.open() <= IDLE_CONNECTIONS, 'the oldest to be closed');
    expect(server.open()).to.equal(IDLE_CONNECTIONS);
    await out.send(post(`http://addon-999.localhost:${server.port}/`));
    expect(server.connections).to.have.lengthOf(1_000);
  });

  it('end when it closes, and so does what waits for one', async () => {
    const server = await listening(() => {});
    const out = createOutbound(LOOPBACK);
    const answers = Array.from({ length: 70 }, () => out.send(post(server.url)));
    await until(() => server.connections.length === 64, 'the connections');
    await out.close();
    const codes = new Set((await Promise.all(answers)).map(statusOf));
    expect(codes).to.deep.equal(new Set(['interrupted']));
    await until(() => server.open() === 0, 'the connections to be closed');
  });
});

describe('an answer', () => {
  it('that comes before the request was read counts', async () => {
    const server = net.createServer((socket) => {
      socket.on('error', () => {});
      socket.end('HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    cleanups.push(() => server.close());
    const { port } = server.address() as AddressInfo;
    const answer = await outbound().send(
      post(`http://127.0.0.1:${port}/`, { body: Buffer.alloc(20_000_000) }),
    );
    expect(statusOf(answer)).to.equal(413);
  });

  it('after eight interim answers is one, after nine a fault', async () => {
    const interim = 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n';
    for (const [times, expected] of [
      [8, 200],
      [9, 'bad_response'],
    ] as const) {
      const server = await listening((request) => {
        const end = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n';
        request.socket.write(interim.repeat(times) + end);
      });
      expect(statusOf(await outbound().send(post(server.url))), `${times}`).to.equal(expected);
    }
  });
});
