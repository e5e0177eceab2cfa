// What one delivery costs on PostgreSQL: rows, bytes of write-ahead log, processor time. For docs/scale.md; no row of
// the results, since it is not to be compared with anything.
//   node --import tsx bench/postgres-cost.ts
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import pg from 'pg';
import { benchAddons } from './delivery/addons.ts';
import { type ArmSettings, type Load, ORIGINS } from './delivery/arm.ts';
import { runArm } from './delivery/run-arm.ts';
import { closeProcesses, startProcess } from './processes/parent.ts';
import { startPostgres } from './processes/postgres.ts';

const ADDONS = 100;
const DELIVERIES = 20_000;
const TICKS_PER_SECOND = 100;

const folder = mkdtempSync(join(tmpdir(), 'mortise-bench-'));
const postgres = await startPostgres(folder);
const client = new pg.Client({ connectionString: postgres.url });
await client.connect();

interface Spent {
  wal: number;
  rows: Record<string, number>;
  postgresMs: number;
  hostMs: number;
}

const one = async (sql: string) => Number((await client.query(sql)).rows[0].value);
const sum = (column: string) =>
  one(
    `SELECT coalesce(sum(${column}), 0) AS value FROM pg_stat_user_tables WHERE schemaname = 'mortise'`,
  );

/** Of all processes of the server, in milliseconds. */
function postgresCpu(): number {
  let ticks = 0;
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
      const isServer = Number(pid) === postgres.pid || Number(stat[1]) === postgres.pid;
      if (isServer) ticks += Number(stat[11]) + Number(stat[12]);
    } catch {
      // It has ended.
    }
  }
  return (ticks * 1_000) / TICKS_PER_SECOND;
}

for (const fanOut of ['one', 'all'] as const) {
  const sink = await startProcess('delivery/sink.ts', { origins: ORIGINS, hung: 0 });
  const { origins } = await sink.ask<{ origins: string[] }>('addresses');
  const addons = benchAddons(ADDONS, origins, fanOut === 'all' ? 'shared' : 'own');
  await client.query('DROP SCHEMA IF EXISTS mortise CASCADE');
  const settings: ArmSettings = { addons, folder, store: 'postgres', url: postgres.url };
  const arm = await startProcess('delivery/arms/mortise.ts', settings);
  const load: Load = { events: fanOut === 'all' ? DELIVERIES / ADDONS : DELIVERIES, fanOut };
  const spent = async (): Promise<Spent> => ({
    wal: await one("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0') AS value"),
    rows: {
      inserted: await sum('n_tup_ins'),
      updated: await sum('n_tup_upd'),
      deleted: await sum('n_tup_del'),
    },
    postgresMs: postgresCpu(),
    hostMs: await arm.ask<number>('cpu'),
  });
  await runArm(arm, sink, addons, { ...load, events: Math.ceil(load.events / 10) });
  await wait(2_000);
  const before = await spent();
  await runArm(arm, sink, addons, load);
  await wait(2_000);
  const after = await spent();
  const each = (value: (of: Spent) => number) =>
    Number(((value(after) - value(before)) / DELIVERIES).toFixed(3));
  console.log(
    JSON.stringify({
      cost: fanOut === 'one' ? 'one event to one add-on' : `one event to ${ADDONS} add-ons`,
      deliveries: DELIVERIES,
      walBytes: each(({ wal }) => wal),
      inserted: each(({ rows }) => rows.inserted!),
      updated: each(({ rows }) => rows.updated!),
      deleted: each(({ rows }) => rows.deleted!),
      postgresMicroseconds: each(({ postgresMs }) => postgresMs * 1_000),
      hostMicroseconds: each(({ hostMs }) => hostMs * 1_000),
    }),
  );
  await arm.close();
  await sink.close();
}

await client.end();
await closeProcesses();
await postgres.stop();
rmSync(folder, { recursive: true, force: true });
process.exit(0);
