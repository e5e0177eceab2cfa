// Several replicas on one PostgreSQL: what two deliver to what one does, and for how long a share has nobody after the one
// that had it was killed.
import { mkdtempSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import pg from 'pg';
import type { OpenRow, Plan } from '../plan.ts';
import { monotonicMs } from '../processes/child.ts';
import { type BenchProcess, startProcess } from '../processes/parent.ts';
import { startPostgres } from '../processes/postgres.ts';
import { median } from '../rounds.ts';
import { type BenchAddon, benchAddons } from './addons.ts';
import { type ArmSettings, type Load, type Loaded, ORIGINS } from './arm.ts';
import { type ArmRun, runArm } from './run-arm.ts';

const ADDONS = 100;
const BUCKETS = 256;
const LEASE_MS = 15_000;
const FAIR_LIMIT_MS = 30_000;
const TAKE_OVER_LIMIT_MS = 60_000;

export const twoReplicas: OpenRow = async (plan) => {
  const { sink, addons, database, stop } = await open(plan);
  const one = await startReplica(plan, { addons, url: await database('one') });
  const shared = await database('two');
  const pair = [
    await startReplica(plan, { addons, url: shared }),
    await startReplica(plan, { addons, url: shared, areInstalled: true }),
  ];
  await untilShared(pair);
  const two = together(pair);
  const events = plan.isQuick ? 5_000 : 30_000;
  const runs: ArmRun[] = [];
  const run = (arm: BenchProcess) => runArm(arm, sink, addons, { events, fanOut: 'one' });
  return {
    bench: 'postgres-two-replicas',
    of: 'one replica on the same machine',
    unit: 'deliveries/s',
    rounds: plan.isQuick ? 3 : 5,
    async measured() {
      const measured = await run(two);
      runs.push(measured);
      return measured.speed;
    },
    baseline: async () => (await run(one)).speed,
    extra: () => ({
      deliveries: events,
      cores: availableParallelism(),
      replicasCpu: median(runs.map(({ armCpu }) => armCpu)),
      exactlyOnce: runs.every(({ repeated }) => repeated === 0),
    }),
    async close() {
      await Promise.all([one, ...pair, sink].map((each) => each.close()));
      await stop();
    },
  };
};

/** From kill -9 of one of two to the last delivery of events that were published right after it, to every add-on. */
export const takeOver: OpenRow = async (plan) => {
  const { sink, addons, database, stop } = await open(plan);
  const url = await database('two');
  const first = await startReplica(plan, { addons, url });
  let second: BenchProcess | undefined;
  const took: number[] = [];
  return {
    bench: 'postgres-take-over',
    of: 'the lease of a replica',
    unit: 'ms from kill -9 to the last delivery',
    rounds: plan.isQuick ? 2 : 5,
    warmUp: async () => undefined,
    async measured() {
      second = await startReplica(plan, { addons, url, areInstalled: true });
      await untilShared([first, second]);
      await sink.ask('expect', { isAged: false });
      await second.ask('die').catch(() => undefined);
      const killedAt = monotonicMs();
      await first.ask<Loaded>('run', { events: ADDONS, fanOut: 'one' } satisfies Load);
      const reachedAt = await sink.ask<number>('reached', ADDONS, TAKE_OVER_LIMIT_MS);
      took.push(reachedAt - killedAt);
      return reachedAt - killedAt;
    },
    baseline: async () => LEASE_MS,
    extra: () => ({ milliseconds: median(took) }),
    async close() {
      await Promise.all([first.close(), second?.close(), sink.close()]);
      await stop();
    },
  };
};

async function open(plan: Plan) {
  const sink = await startProcess('delivery/sink.ts', { origins: ORIGINS, hung: 0 });
  const { origins } = await sink.ask<{ origins: string[] }>('addresses');
  const postgres = await startPostgres(mkdtempSync(join(plan.folder, 'replicas-')));
  return {
    sink,
    addons: benchAddons(ADDONS, origins, 'own'),
    /** @returns the URL of a new one */
    async database(name: string): Promise<string> {
      const client = new pg.Client({ connectionString: postgres.url });
      await client.connect();
      await client.query(`CREATE DATABASE ${name}`);
      await client.end();
      const url = new URL(postgres.url);
      url.pathname = name;
      return url.href;
    },
    stop: () => postgres.stop(),
  };
}

function startReplica(
  { folder }: Plan,
  settings: { addons: BenchAddon[]; url: string; areInstalled?: boolean },
): Promise<BenchProcess> {
  return startProcess('delivery/arms/mortise.ts', {
    folder: mkdtempSync(join(folder, 'arm-')),
    store: 'postgres',
    ...settings,
  } satisfies ArmSettings);
}

async function untilShared(replicas: BenchProcess[]): Promise<void> {
  const end = performance.now() + FAIR_LIMIT_MS;
  const isShared = async () => {
    const sizes = await Promise.all(replicas.map((each) => each.ask<number>('buckets')));
    return sizes.every((size) => size === BUCKETS / replicas.length);
  };
  while (!(await isShared())) {
    if (performance.now() > end) throw new Error('The replicas do not share.');
    await wait(100);
  }
}

/** As one: each publishes its part. */
function together(replicas: BenchProcess[]): BenchProcess {
  const askAll = <T>(question: string, argument?: unknown, limitMs?: number) =>
    Promise.all(replicas.map((each) => each.ask<T>(question, argument, limitMs)));
  return {
    async ask<T>(question: string, argument?: unknown, limitMs?: number): Promise<T> {
      if (question === 'cpu') return (await askAll<number>(question)).reduce((a, b) => a + b) as T;
      const { events, fanOut } = argument as Load;
      const load: Load = { events: events / replicas.length, fanOut };
      const loaded = await askAll<Loaded>(question, load, limitMs);
      return { startedAt: Math.min(...loaded.map(({ startedAt }) => startedAt)) } as T;
    },
    async close() {
      await Promise.all(replicas.map((each) => each.close()));
    },
  };
}
