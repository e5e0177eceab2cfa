// Who sends for which bucket, in the table: what is free, what is fair, and who gets it.
import sql, { raw, type Sql } from 'sql-template-tag';
import { BUCKETS } from '../../core/ids.ts';
import { type Database, DURABLE } from './database.ts';
import { LOCKS } from './locks.ts';
import type { OwnBuckets } from './own-buckets.ts';
import { expiryOf } from './renewed-right.ts';

export interface Bucket {
  id: number;
  owner: string | null;
  fence: number;
}

interface Seen {
  replicas: number;
  /** Of some the row has run out, or runs for longer than it may. */
  isAnyWrong: boolean;
  free: Bucket[] | null;
}

/**
 * What this replica may take, and how many of all are its fair share. Of its own it may take those that it does not know
 * of: the answer was lost when it took them.
 */
export async function freeBuckets(
  db: Database,
  own: OwnBuckets,
  leaseMs: number,
): Promise<{ free: Bucket[]; fair: number }> {
  let seen = await see(db, own, leaseMs);
  if (seen.isAnyWrong) {
    await forgetDead(db, leaseMs);
    seen = await see(db, own, leaseMs);
  }
  return { free: seen.free ?? [], fair: Math.ceil(BUCKETS / Math.max(1, seen.replicas)) };
}

async function see(db: Database, own: OwnBuckets, leaseMs: number): Promise<Seen> {
  const row = await db.get<Seen>(sql`SELECT
      (SELECT count(*) FROM mortise.replicas WHERE NOT is_leaving) AS replicas,
      EXISTS (SELECT 1 FROM mortise.replicas
        WHERE expires_at <= clock_timestamp() OR expires_at > ${expiryOf(leaseMs)}) AS "isAnyWrong",
      (SELECT json_agg(json_build_object('id', b.id, 'owner', b.owner, 'fence', b.fence)) FROM mortise.buckets b
        LEFT JOIN mortise.replicas r ON r.id = b.owner
        WHERE r.id IS NULL OR b.owner = ${own.replica} AND b.id <> ALL (${own.held}::smallint[])) AS free`);
  return row!;
}

/** One that runs for longer than it may was written before the clock was set back: it runs out like any other from now. */
async function forgetDead(db: Database, leaseMs: number): Promise<void> {
  await db.alone(sql`UPDATE mortise.replicas SET expires_at = ${expiryOf(leaseMs)}
    WHERE expires_at > ${expiryOf(leaseMs)}`);
  // Looked at again under the lock of the row: one that is renewed meanwhile stays.
  await db.alone(sql`DELETE FROM mortise.replicas WHERE expires_at <= clock_timestamp()`);
}

/**
 * Those that are as they were seen. One statement, at a time: two that took the same in another order would wait for each
 * other.
 * @returns which it got
 */
export async function takeBuckets(
  db: Database,
  replica: string,
  free: Bucket[],
): Promise<number[]> {
  const rows = await db.alone<{ id: number }>(sql`WITH turn AS MATERIALIZED (
      SELECT pg_advisory_xact_lock(${LOCKS.buckets}, 0)),
    seen AS (SELECT * FROM unnest(${free.map(({ id }) => id)}::smallint[],
      ${free.map(({ owner }) => owner)}::text[], ${free.map(({ fence }) => fence)}::bigint[]) AS s (id, owner, fence))
    UPDATE mortise.buckets b SET owner = ${replica}, fence = b.fence + 1 FROM seen s, turn
    WHERE b.id = s.id AND b.owner IS NOT DISTINCT FROM s.owner AND b.fence = s.fence
      AND EXISTS (SELECT 1 FROM mortise.replicas WHERE id = ${replica})
    RETURNING b.id, ${DURABLE}`);
  return rows.map(({ id }) => id);
}

/**
 * Of rows with a bucket, those of its own, which it still has in this moment: after another has taken a bucket, nothing
 * is taken from there.
 */
export function isOwned(own: OwnBuckets): Sql {
  if (own.isAlone) return raw('true');
  return sql`bucket = ANY (${own.held}::smallint[])
    AND bucket IN (SELECT id FROM mortise.buckets WHERE owner = ${own.replica})`;
}

/**
 * Whether there is something to fan out or to recover, whether somebody has left word, and in which lifetime of
 * PostgreSQL (lifetime.ts); null: none has begun since it crashed.
 * @param open undefined: all. @param from below this number the outbox has nothing of theirs.
 */
export async function look(
  db: Database,
  open: number[] | undefined,
  from: number,
): Promise<{ hasWork: boolean; isTold: boolean; lifetime: string | null }> {
  const isMine = open ? sql`bucket = ANY (${open}::smallint[])` : raw('true');
  const order = raw(open ? 'bucket, seq' : 'seq');
  // Of EXISTS PostgreSQL drops the order, and may read the table from its beginning.
  const row = await db.get<{
    hasWork: boolean;
    isTold: boolean;
    lifetime: string | null;
  }>(sql`SELECT
      (SELECT seq FROM mortise.outbox WHERE ${isMine} AND seq >= ${from} ORDER BY ${order} LIMIT 1) IS NOT NULL
        OR EXISTS (SELECT 1 FROM mortise.recoveries WHERE ${isMine}) AS "hasWork",
      EXISTS (SELECT 1 FROM mortise.handed WHERE ${isMine}) AS "isTold",
      (SELECT id FROM mortise.lifetime) AS lifetime`);
  return row!;
}
