// A guarded route over HTTP to the same route unguarded, in the same server: once with nothing behind the guard, so that
// nothing hides what it costs, once with the least a real route does. A ratio may be above 1: the guard answers the requests
// of one turn together, and what that saves the server in waking its client can be more than the checks cost.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Pool } from 'undici';
import { median, perSecond, type Subject } from './rounds.ts';
import { RESOURCE, randomOf, type SeededToken } from './seeded-host.ts';

const CONCURRENCY = 16;

/** The routes of guarded-server, guarded and not. */
const PAIRS = {
  'guarded-call': { kept: 'kept', open: 'open', of: 'the same route unguarded' },
  'guarded-row': {
    kept: 'kept-row',
    open: 'open-row',
    of: 'the same route unguarded, which reads one row of its own and answers 1 KB',
  },
};

export async function guardedCalls(
  database: string,
  tokens: SeededToken[],
  milliseconds: number,
): Promise<{ subjects: Subject[]; close(): Promise<void> }> {
  const server = startServer(database);
  const pool = new Pool(`http://127.0.0.1:${await portOf(server)}`, { connections: CONCURRENCY });

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

  const side = (route: string, cpuPerCall: number[]) => async (ms: number) => {
    let calls = 0;
    const before = await cpuOf(server);
    const speed = await perSecond(ms, 20 * CONCURRENCY, (count) => {
      calls += count;
      return callMany(route, count);
    });
    cpuPerCall.push(((await cpuOf(server)) - before) / calls);
    return speed;
  };

  const subjects = Object.entries(PAIRS).map(([bench, { kept, open, of }]): Subject => {
    const keptCpu: number[] = [];
    const openCpu: number[] = [];
    return {
      bench,
      of,
      unit: 'requests/s',
      milliseconds,
      measured: side(kept, keptCpu),
      baseline: side(open, openCpu),
      // The same as the server's own processor time, which waiting for its client does not change.
      extra: () => ({ serverCpuRatio: median(openCpu) / median(keptCpu) }),
    };
  });

  return {
    subjects,
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
