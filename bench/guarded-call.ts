// A guarded route over HTTP to the same route unguarded, in the same server.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Pool } from 'undici';
import { median, perSecond, type Subject } from './rounds.ts';
import { RESOURCE, randomOf, type SeededToken } from './seeded-host.ts';

const CONCURRENCY = 16;

export async function guardedCall(
  database: string,
  tokens: SeededToken[],
  milliseconds: number,
): Promise<Subject & { close(): Promise<void> }> {
  const server = startServer(database);
  const pool = new Pool(`http://127.0.0.1:${await portOf(server)}`, { connections: CONCURRENCY });

  const cpuPerCall: Record<string, number[]> = { kept: [], open: [] };

  async function call(route: string): Promise<void> {
    const { token, context } = randomOf(tokens);
    const { statusCode, body } = await pool.request({
      method: 'GET',
      path: `/${route}/${context}/${RESOURCE}`,
      headers: { authorization: `Bearer ${token}` },
    });
    await body.dump();
    if (statusCode !== 200) throw new Error(`/${route} answered ${statusCode}.`);
  }

  async function callMany(route: string, count: number): Promise<void> {
    let left = count;
    const caller = async () => {
      while (left-- > 0) await call(route);
    };
    await Promise.all(Array.from({ length: CONCURRENCY }, caller));
  }

  const side = (route: string) => async (ms: number) => {
    let calls = 0;
    const before = await cpuOf(server);
    const speed = await perSecond(ms, 20 * CONCURRENCY, (count) => {
      calls += count;
      return callMany(route, count);
    });
    cpuPerCall[route]!.push(((await cpuOf(server)) - before) / calls);
    return speed;
  };

  return {
    bench: 'guarded-call',
    of: 'the same route unguarded',
    unit: 'requests/s',
    milliseconds,
    measured: side('kept'),
    baseline: side('open'),
    // The same as the server's own processor time, which waiting for its client does not change.
    extra: () => ({ serverCpuRatio: median(cpuPerCall.open!) / median(cpuPerCall.kept!) }),
    async close() {
      await pool.close();
      const ended = once(server, 'exit');
      server.disconnect();
      await ended;
    },
  };
}

function startServer(database: string): ChildProcess {
  return fork(fileURLToPath(new URL('./guarded-server.ts', import.meta.url)), [database], {
    env: { ...process.env, NODE_ENV: 'production' },
  });
}

/** Microseconds so far. */
async function cpuOf(server: ChildProcess): Promise<number> {
  const told = once(server, 'message');
  server.send('cpu');
  const [message] = await told;
  return message.cpu;
}

async function portOf(server: ChildProcess): Promise<number> {
  const [message] = await Promise.race([
    once(server, 'message'),
    once(server, 'exit').then(() => {
      throw new Error('The server ended before it listened.');
    }),
  ]);
  return message.port;
}
