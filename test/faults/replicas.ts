// Three hosts on one PostgreSQL, each of which sends a share; and what may happen to them.
import pg from 'pg';
import { Database } from '../../src/store/postgres/database.ts';
import { type PostgresServer, urlWith } from '../helpers/postgres-server.ts';
import { until } from '../helpers/until.ts';
import type { Disturbance } from './ledger.ts';
import { PgBouncer } from './pgbouncer.ts';
import type { Replica } from './replica.ts';
import { now, Rig, sleep } from './rig.ts';

/** Far shorter than the fifteen seconds that it is, so that much happens in little time. */
export const LEASE_MS = 5_000;
const REPLICAS = 3;
const BUCKETS = 256;
/**
 * What PostgreSQL may lose of commits that were not waited for when it crashes: three times wal_writer_delay, and what a
 * loaded machine adds.
 */
const CRASH_LOSES_MS = 1_000;
/** Until a host that stood still has noticed, and sends no more. */
const AFTER_A_STOP_MS = 1_000;

export interface ReplicasOptions {
  /** PgBouncer stands between them and PostgreSQL. */
  isPooled?: boolean;
}

export class Replicas {
  readonly rig: Rig;
  readonly server: PostgresServer;
  readonly bouncer: PgBouncer | undefined;
  /** Of their database, without what stands between. */
  readonly url: string;

  private constructor(
    rig: Rig,
    server: PostgresServer,
    url: string,
    bouncer: PgBouncer | undefined,
  ) {
    this.rig = rig;
    this.server = server;
    this.url = url;
    this.bouncer = bouncer;
  }

  /** Each has its share. */
  static async start(
    server: PostgresServer,
    { isPooled }: ReplicasOptions = {},
  ): Promise<Replicas> {
    const name = `faults_${Math.random().toString(36).slice(2)}`;
    await ask(server.url, `CREATE DATABASE ${name}`);
    const url = urlWith(server.url, (each) => {
      each.pathname = name;
    });
    const db = new Database(url);
    await db.open();
    await db.close();
    const bouncer = isPooled ? await PgBouncer.start(server.port) : undefined;
    const database = urlWith(url, (each) => {
      if (bouncer) each.port = String(bouncer.port);
    });
    const options = { replicas: REPLICAS, database, jitter: 0, leaseMs: LEASE_MS };
    const rig = await Rig.open(options);
    for (const replica of rig.replicas) await replica.start();
    const replicas = new Replicas(rig, server, url, bouncer);
    await replicas.untilFair();
    return replicas;
  }

  /** Buckets of each; 0 of one that does not answer. */
  shares(): Promise<number[]> {
    return Promise.all(this.rig.replicas.map((replica) => gauge(replica, 'mortise_buckets')));
  }

  /** Somebody sends for each bucket. */
  untilAllTaken(): Promise<unknown> {
    const isAll = async () => (await this.shares()).reduce((a, b) => a + b) === BUCKETS;
    return until(isAll, 'every bucket to be taken', 60_000);
  }

  /** And they are shared out evenly. */
  untilFair(): Promise<unknown> {
    const fair = Math.ceil(BUCKETS / REPLICAS);
    const isFair = async () => {
      const shares = await this.shares();
      return Math.max(...shares) <= fair && shares.reduce((a, b) => a + b) === BUCKETS;
    };
    return until(isFair, 'a fair share for each', 60_000);
  }

  /** As they know each other. */
  async ids(): Promise<string[]> {
    const rows = await ask(this.url, 'SELECT id FROM mortise.replicas ORDER BY id');
    return rows.map(({ id }) => id as string);
  }

  /** The one that has most under way. */
  async busiest(): Promise<Replica> {
    const { replicas } = this.rig;
    const busy = await Promise.all(
      replicas.map((replica) => gauge(replica, 'mortise_attempts_in_flight')),
    );
    return replicas[busy.indexOf(Math.max(...busy))]!;
  }

  /** kill -9, and another process in its place. */
  async kill(replica: Replica): Promise<Disturbance> {
    replica.prepareNext();
    const disturbance = await this.rig.kill({ replica });
    await replica.start();
    return disturbance;
  }

  async stop(replica: Replica, ms: number): Promise<Disturbance> {
    return this.rig.disturb('SIGSTOP', async () => {
      replica.host.process.kill('SIGSTOP');
      await sleep(ms);
      replica.host.process.kill('SIGCONT');
      await sleep(AFTER_A_STOP_MS);
    });
  }

  /** Of everything but whoever asks. */
  async terminateConnections(): Promise<number> {
    const rows = await ask(
      this.url,
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE datname = current_database() AND pid <> pg_backend_pid()`,
    );
    return rows.length;
  }

  async restartPostgres(how: 'fast' | 'crash', downMs: number): Promise<void> {
    const begun = now();
    const disturbance = await this.rig.disturb(how, async () => {
      await this.server.halt(how);
      await sleep(downMs);
      await this.server.start();
      // What was answered meanwhile is recorded now.
      await sleep(AFTER_A_STOP_MS);
    });
    disturbance.at = begun - (how === 'crash' ? CRASH_LOSES_MS : 0);
  }

  async restartBouncer(downMs: number): Promise<void> {
    await this.bouncer!.kill();
    await sleep(downMs);
    await this.bouncer!.start();
  }

  async close(): Promise<void> {
    await this.rig.close();
    await this.bouncer?.close();
    const name = new URL(this.url).pathname.slice(1);
    await ask(this.server.url, `DROP DATABASE ${name} WITH (FORCE)`);
  }
}

const METRICS_MS = 500;

async function gauge(replica: Replica, name: string): Promise<number> {
  try {
    const signal = AbortSignal.timeout(METRICS_MS);
    const text = await (await fetch(`${replica.url}/metrics`, { signal })).text();
    return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(text)?.[1] ?? 0);
  } catch {
    return 0;
  }
}

async function ask(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}
