// How late healthy add-ons are told when one in ten accepts connections and never answers, to when all are healthy:
// the same steady load, well below what the engine can do.
import { setTimeout as wait } from 'node:timers/promises';
import type { OpenRow } from '../plan.ts';
import { type BenchProcess, startProcess } from '../processes/parent.ts';
import { median, percentile } from '../rounds.ts';
import { benchAddons } from './addons.ts';
import { startArm } from './deliveries.ts';
import { runArm } from './run-arm.ts';
import type { SinkReport } from './sink.ts';

const ADDONS = 100;
const HUNG = 10;
const SHARE_OF_CAPACITY = 0.4;
const SHARE = 0.99;
/** What has not arrived by then counts as this late. */
const LATEST_MS = 10_000;

export const hungAddons: OpenRow = async (plan) => {
  const seconds = plan.isQuick ? 3 : 8;
  const sink = await startProcess('delivery/sink.ts', { origins: ADDONS, hung: HUNG });
  const { origins, hung } = await sink.ask<{ origins: string[]; hung: string[] }>('addresses');
  const mixed = origins.map((origin, i) => (i % (ADDONS / HUNG) === 0 ? hung.pop()! : origin));
  // An origin to each add-on, in both: who hangs must not hold another's connections.
  const allHealthy = benchAddons(ADDONS, origins, 'own');
  const clean = await startArm('delivery/arms/mortise.ts', plan, allHealthy);
  const beset = await startArm('delivery/arms/mortise.ts', plan, benchAddons(ADDONS, mixed, 'own'));
  const latest: Record<'clean' | 'beset', number[]> = { clean: [], beset: [] };
  let perSecond = 0;
  let undelivered = 0;

  async function play(arm: BenchProcess, healthy: number): Promise<number> {
    // All add-ons equally often.
    const events = Math.ceil((perSecond * seconds) / ADDONS) * ADDONS;
    const expected = (events * healthy) / ADDONS;
    await sink.ask('expect', { isAged: true });
    const [, isComplete] = await Promise.all([
      arm.ask('steady', { events, perSecond }),
      sink.ask('reached', expected, seconds * 1_000 + LATEST_MS).then(
        () => true,
        () => false,
      ),
    ]);
    const { ages } = await sink.ask<SinkReport>('report');
    const missing = isComplete ? 0 : Math.max(expected - ages.length, 0);
    undelivered += missing;
    return percentile([...ages, ...Array<number>(missing).fill(LATEST_MS)], SHARE);
  }
  const noting = (name: 'clean' | 'beset', arm: BenchProcess, healthy: number) => async () => {
    const age = await play(arm, healthy);
    latest[name].push(age);
    return age;
  };
  return {
    bench: 'hung-add-ons',
    of: 'the same when none hangs',
    unit: 'ms from publish to the healthy add-on, 99th percentile',
    rounds: plan.isQuick ? 3 : 7,
    async warmUp() {
      const load = { events: plan.isQuick ? 2_000 : 10_000, fanOut: 'one' as const };
      const { speed } = await runArm(clean, sink, allHealthy, load);
      perSecond = speed * SHARE_OF_CAPACITY;
      await play(clean, ADDONS);
      await play(beset, ADDONS - HUNG);
      await wait(1_000);
      undelivered = 0;
    },
    measured: noting('beset', beset, ADDONS - HUNG),
    baseline: noting('clean', clean, ADDONS),
    extra: () => ({
      hung: HUNG / ADDONS,
      eventsPerSecond: perSecond,
      besetMs: median(latest.beset),
      cleanMs: median(latest.clean),
      undelivered,
    }),
    close: () => Promise.all([clean.close(), beset.close(), sink.close()]),
  };
};
