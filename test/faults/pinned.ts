// Somebody else's transaction that is held open: of what is deleted meanwhile nothing can be vacuumed. What the engine's
// statements cost must not grow with it.
import pg from 'pg';
import type { StatementKind } from './programs/statement-times.ts';
import type { Replica } from './replica.ts';
import { percentile } from './rig.ts';

/** May take so many times as long at the end as at the start. */
export const MOST_TIMES = 3;
/** What a statement takes on a loaded machine anyway, milliseconds. */
const NOISE_MS = 5;
const KINDS: StatementKind[] = ['window', 'fan-out', 'record', 'look'];

/** @param url of the database itself, without a pooler. @returns lets go of it */
export async function pin(url: string): Promise<() => Promise<void>> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
  await client.query('SELECT count(*) FROM mortise.installations');
  return () => client.end();
}

type Times = Map<StatementKind, number[]>;

export async function statementTimes(replicas: Replica[]): Promise<Times> {
  const times: Times = new Map(KINDS.map((kind) => [kind, []]));
  for (const { host } of replicas) {
    const taken = await host.ask<[StatementKind, number][]>({ ask: 'statements' });
    for (const [kind, ms] of taken) times.get(kind)!.push(ms);
  }
  return times;
}

/**
 * The first quarter of the samples and the last, without the very first, which is not warm yet.
 * @returns a line for each kind, and whether none grew too much
 */
export function compareTimes(samples: Times[]): { lines: string[]; isFlat: boolean } {
  const warm = samples.slice(1);
  const quarter = Math.ceil(warm.length / 4);
  let isFlat = true;
  const lines = KINDS.map((kind) => {
    const of = (some: Times[]) => some.flatMap((times) => times.get(kind)!);
    const [first, last] = [of(warm.slice(0, quarter)), of(warm.slice(-quarter))];
    const fewest = Math.min(first.length, last.length);
    // What is not measured is not known to be flat.
    if (fewest === 0) isFlat = false;
    const figures = [0.5, 0.99].map((share) => {
      const [before, after] = [percentile(first, share), percentile(last, share)];
      const isTelling = fewest * (1 - share) >= 1;
      if (isTelling && after > Math.max(MOST_TIMES * before, NOISE_MS)) isFlat = false;
      return `${before.toFixed(1)} → ${after.toFixed(1)}`;
    });
    return `${kind}: median ${figures[0]} ms, p99 ${figures[1]} ms (${first.length} and ${last.length} of them)`;
  });
  return { lines, isFlat };
}

/**
 * Blocks of the tables that the engine empties as it goes, with their indexes, that were looked at so far, and rows that
 * were owed.
 */
export async function blocksLookedAt(url: string): Promise<{ blocks: number; owed: number }> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query(
      `SELECT sum(heap_blks_hit + heap_blks_read + idx_blks_hit + idx_blks_read)::float8 AS blocks,
         (SELECT n_tup_ins::float8 FROM pg_stat_user_tables WHERE relid = 'mortise.deliveries'::regclass) AS owed
       FROM pg_statio_user_tables WHERE relid IN ('mortise.deliveries'::regclass, 'mortise.outbox'::regclass)`,
    );
    return rows[0];
  } finally {
    await client.end();
  }
}
