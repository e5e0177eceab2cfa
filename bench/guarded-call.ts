// A guarded route over HTTP to the same route unguarded, in the same server: once with nothing behind the guard, so that
// nothing hides what it costs, once with the least a real route does. A ratio may be above 1: the guard answers the requests
// of one turn together, and what that saves the server in waking its client can be more than the checks cost.
import { Pool } from 'undici';
import { inProcess, type OpenRow } from './plan.ts';
import { startProcess } from './processes/parent.ts';
import { median, perSecond } from './rounds.ts';
import { RESOURCE, randomOf, seededHost } from './seeded-host.ts';

const CONCURRENCY = 16;

/** A round trip takes longer than a call in the process. */
const LONGER = 2.4;

export const guardedCall: OpenRow = guardedRoute('guarded-call', {
  kept: 'kept',
  open: 'open',
  of: 'the same route unguarded',
});

export const guardedRow: OpenRow = guardedRoute('guarded-row', {
  kept: 'kept-row',
  open: 'open-row',
  of: 'the same route unguarded, which reads one row of its own and answers 1 KB',
});

/** @param routes of guarded-server. */
function guardedRoute(
  bench: string,
  { kept, open, of }: { kept: string; open: string; of: string },
): OpenRow {
  return async (plan) => {
    const { rounds, milliseconds } = inProcess(plan);
    const { host, database, tokens } = await seededHost(plan);
    await host.close();
    const server = await startProcess('guarded-server.ts', { database });
    const origin = await server.ask<string>('origin');
    const pool = new Pool(origin, { connections: CONCURRENCY });

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

    const side = (route: string, cpuPerCall: number[]) => async () => {
      let calls = 0;
      const before = await server.ask<number>('cpu');
      const speed = await perSecond(milliseconds * LONGER, 20 * CONCURRENCY, (count) => {
        calls += count;
        return callMany(route, count);
      });
      cpuPerCall.push(((await server.ask<number>('cpu')) - before) / calls);
      return speed;
    };

    const keptCpu: number[] = [];
    const openCpu: number[] = [];
    return {
      bench,
      of,
      unit: 'requests/s',
      rounds,
      measured: side(kept, keptCpu),
      baseline: side(open, openCpu),
      // The same as the server's own processor time, which waiting for its client does not change.
      extra: () => ({ serverCpuRatio: median(openCpu) / median(keptCpu) }),
      async close() {
        await pool.close();
        await server.close();
      },
    };
  };
}
