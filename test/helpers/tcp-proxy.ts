// What stands between a host and PostgreSQL in tests that need an answer at a moment of their choice.
import { connect, createServer, type Socket } from 'node:net';
import { urlWith } from './postgres-server.ts';

export interface TcpProxy {
  /** Of the same database, through it. */
  url: string;
  /** Keeps what the server says from here on. */
  hold(): void;
  /** Hands it over, in one piece for each connection. */
  letGo(): void;
  /**
   * Breaks the next connection on which the client has said `before` and then `last`, when the server has answered
   * that, and before the client hears of it. @returns resolves when that has happened
   */
  breakAfter(before: string, last: string): Promise<void>;
  close(): void;
}

export async function tcpProxy(target: string): Promise<TcpProxy> {
  const { hostname, port } = new URL(target);
  let isHeld = false;
  let plan: { before: string; last: string; done: () => void } | undefined;
  const kept = new Map<Socket, Buffer[]>();
  const sockets = new Set<Socket>();

  const server = createServer((client) => {
    const upstream = connect(Number(port), hostname);
    let said = '';
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
    }
    client.on('close', () => upstream.destroy());
    upstream.on('close', () => {
      if (!kept.has(client)) client.destroy();
    });
    client.on('data', (chunk: Buffer) => {
      if (plan) said += chunk.toString('latin1');
      upstream.write(chunk);
    });
    upstream.on('data', (chunk: Buffer) => {
      const at = plan ? said.indexOf(plan.before) : -1;
      if (plan && at >= 0 && said.indexOf(plan.last, at) >= 0) {
        plan.done();
        plan = undefined;
        client.destroy();
      } else if (isHeld) kept.set(client, [...(kept.get(client) ?? []), chunk]);
      else client.write(chunk);
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const own = (server.address() as { port: number }).port;
  return {
    url: urlWith(target, (url) => {
      url.port = String(own);
    }),
    hold() {
      isHeld = true;
    },
    letGo() {
      isHeld = false;
      for (const [client, chunks] of kept) client.write(Buffer.concat(chunks));
      kept.clear();
    },
    breakAfter: (before, last) =>
      new Promise((done) => {
        plan = { before, last, done };
      }),
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
