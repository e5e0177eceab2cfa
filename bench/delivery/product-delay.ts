// What a product feels of the engine on its own event loop, while it delivers as fast as it can, to when it is idle.
import { setTimeout as wait } from 'node:timers/promises';
import { Pool } from 'undici';
import type { OpenRow } from '../plan.ts';
import { startProcess } from '../processes/parent.ts';
import { median, percentile } from '../rounds.ts';
import { benchAddons } from './addons.ts';
import { ORIGINS } from './arm.ts';
import { startArm } from './deliveries.ts';

const ADDONS = 100;
const SHARE = 0.99;
const PING_EVERY_MS = 5;
const CONNECTIONS = 8;
const WARM_UP = 3_000;
const LIMIT_MS = 60_000;

interface Felt {
  loopDelayMs: number;
  routeMs: number;
}

export const loopDelay: OpenRow = productDelay(
  'event-loop-delay',
  'ms event-loop delay of the product, 99th percentile',
  ({ loopDelayMs }) => loopDelayMs,
);
export const routeLatency: OpenRow = productDelay(
  'route-latency',
  "ms until the product's plain Koa route answers, 99th percentile",
  ({ routeMs }) => routeMs,
);

function productDelay(bench: string, unit: string, figure: (felt: Felt) => number): OpenRow {
  return async (plan) => {
    const sink = await startProcess('delivery/sink.ts', { origins: ORIGINS, hung: 0 });
    const { origins } = await sink.ask<{ origins: string[] }>('addresses');
    const addons = benchAddons(ADDONS, origins, 'own');
    const product = await startArm('delivery/arms/product.ts', plan, addons);
    const pool = new Pool(await product.ask<string>('origin'), { connections: CONNECTIONS });
    const ms = plan.isQuick ? 1_500 : 4_000;
    const speeds: number[] = [];
    let events = WARM_UP;

    /** @param end of what is watched. */
    async function feel(end: Promise<unknown>): Promise<Felt> {
      let isOver = false;
      const watched = end.finally(() => {
        isOver = true;
      });
      const answers: Promise<number>[] = [];
      await product.ask('watchDelay');
      while (!isOver) {
        answers.push(ping(pool));
        await wait(PING_EVERY_MS);
      }
      await watched;
      const loopDelayMs = await product.ask<number>('delay');
      return { loopDelayMs, routeMs: percentile(await Promise.all(answers), SHARE) };
    }

    async function loaded(): Promise<number> {
      await sink.ask('expect', { isAged: false });
      await product.ask('owe', events);
      const start = performance.now();
      const felt = await feel(sink.ask('reached', events, LIMIT_MS));
      speeds.push(events / ((performance.now() - start) / 1_000));
      return figure(felt);
    }
    return {
      bench,
      of: 'the same while nothing is delivered',
      unit,
      rounds: plan.isQuick ? 3 : 7,
      async warmUp() {
        await loaded();
        events = Math.ceil((speeds.pop()! * ms) / 1_000);
      },
      measured: loaded,
      baseline: async () => figure(await feel(wait(ms))),
      extra: () => ({ deliveriesPerSecond: median(speeds) }),
      async close() {
        await pool.close();
        await Promise.all([product.close(), sink.close()]);
      },
    };
  };
}

async function ping(pool: Pool): Promise<number> {
  const start = performance.now();
  const { statusCode, body } = await pool.request({ method: 'GET', path: '/ping' });
  await body.dump();
  if (statusCode !== 200) throw new Error(`/ping answered ${statusCode}.`);
  return performance.now() - start;
}
