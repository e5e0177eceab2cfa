// The way to a database, which goes silent as a failover without a word does: connections stay, and nothing comes.
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { urlWith } from './postgres-server.ts';

export interface Way {
  /** The database, over this way. */
  url: string;
  silence(): void;
  close(): Promise<void>;
}

export async function silenceable(database: string): Promise<Way> {
  const { hostname, port } = new URL(database);
  const pairs = new Set<[Socket, Socket]>();
  const server = createServer((near) => {
    const far = connect(Number(port), hostname);
    const pair: [Socket, Socket] = [near, far];
    pairs.add(pair);
    near.pipe(far);
    far.pipe(near);
    for (const socket of pair) {
      socket.on('error', () => undefined);
      socket.on('close', () => {
        for (const each of pair) each.destroy();
        pairs.delete(pair);
      });
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: urlWith(database, (url) => {
      url.port = String((server.address() as AddressInfo).port);
    }),
    silence() {
      for (const [near, far] of pairs) {
        near.unpipe(far);
        far.unpipe(near);
        for (const socket of [near, far]) socket.pause();
      }
    },
    async close() {
      for (const [near] of pairs) near.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
