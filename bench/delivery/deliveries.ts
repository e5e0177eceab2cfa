// Deliveries per second, Mortise to each other way of doing it: the same events, add-ons and signatures.
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import type { OpenRow, Plan } from '../plan.ts';
import { type BenchProcess, startProcess } from '../processes/parent.ts';
import { median } from '../rounds.ts';
import { type BenchAddon, benchAddons } from './addons.ts';
import { type ArmSettings, CONCURRENCY, type Load, ORIGINS } from './arm.ts';
import { PEERS, type Peer } from './peers.ts';
import { type ArmRun, runArm } from './run-arm.ts';

const ADDONS = 100;
const ROUNDS = { quick: 3, full: 5 };
/** Until the compiler has seen what is measured. */
const WARM_UP = { quick: 5_000, full: 20_000 };

/** One event, one delivery; the add-ons take turns. */
export const oneToOne = (peer: Peer, store: Kept = 'sqlite'): OpenRow =>
  deliveries(peer, 'one', { store });
/** One event, a delivery to each of a hundred add-ons. */
export const fanOut = (peer: Peer, store: Kept = 'sqlite'): OpenRow =>
  deliveries(peer, 'all', { store });
/** One event, one delivery, of which a field is withheld for want of a scope. */
export const withheld: OpenRow = deliveries('ceiling', 'one', { scopes: ['repository'] });

type Kept = NonNullable<ArmSettings['store']>;

type Setup = Pick<ArmSettings, 'store' | 'scopes'>;

const nameOf = (peer: Peer, fanOut: Load['fanOut'], { store, scopes }: Setup): string => {
  const kind = fanOut === 'one' ? 'deliveries' : 'fan-out';
  return `${store === 'postgres' ? 'postgres-' : ''}${kind}-${scopes ? 'withheld' : peer}`;
};

function deliveries(name: Peer, fanOut: Load['fanOut'], setup: Setup): OpenRow {
  const peer = PEERS[name];
  const perEvent = fanOut === 'all' ? ADDONS : 1;
  return async (plan) => {
    await peer.require?.();
    const sink = await startProcess('delivery/sink.ts', { origins: ORIGINS, hung: 0 });
    const { origins } = await sink.ask<{ origins: string[] }>('addresses');
    const addons = benchAddons(ADDONS, origins, fanOut === 'all' ? 'shared' : 'own');
    const arms = {
      mortise: await startArm('delivery/arms/mortise.ts', plan, addons, setup),
      peer: await startArm(peer.file, plan, addons),
    };
    const runs: ArmRun[] = [];
    const run = (arm: BenchProcess, count: number) =>
      runArm(arm, sink, addons, { events: Math.ceil(count / perEvent), fanOut });
    const count = plan.isQuick ? peer.deliveries.quick : peer.deliveries.full;
    return {
      bench: nameOf(name, fanOut, setup),
      of: peer.of,
      unit: 'deliveries/s',
      rounds: plan.isQuick ? ROUNDS.quick : ROUNDS.full,
      async warmUp() {
        const warmUp = plan.isQuick ? WARM_UP.quick : WARM_UP.full;
        await run(arms.mortise, warmUp);
        await run(arms.peer, warmUp);
      },
      async measured() {
        const measured = await run(arms.mortise, count);
        runs.push(measured);
        return measured.speed;
      },
      baseline: async () => (await run(arms.peer, count)).speed,
      extra: () => ({
        deliveries: count,
        concurrency: CONCURRENCY,
        mortiseCpu: median(runs.map(({ armCpu }) => armCpu)),
        sinkCpu: median(runs.map(({ sinkCpu }) => sinkCpu)),
        exactlyOnce: runs.every(({ repeated }) => repeated === 0),
      }),
      close: () => Promise.all([arms.mortise.close(), arms.peer.close(), sink.close()]),
    };
  };
}

export function startArm(
  file: string,
  plan: Plan,
  addons: BenchAddon[],
  setup: Setup = {},
): Promise<BenchProcess> {
  const folder = mkdtempSync(join(plan.folder, 'arm-'));
  return startProcess(file, { addons, folder, ...setup } satisfies ArmSettings);
}
