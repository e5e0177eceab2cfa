// Turns published events into deliveries. Each chunk's deliveries and the outbox rows' progress are one transaction:
// killed in between, the next owner goes on where it stopped, and nothing is owed twice. Of two replicas, of which one
// has not noticed yet that a bucket is another's, the one that changes the outbox row makes its deliveries.
import sql, { empty, raw, type Sql } from 'sql-template-tag';
import { BUCKETS, bucketOf, derivedIdAt } from '../../core/ids.ts';
import type { FannedOut, OwedDelivery } from '../rows.ts';
import { DELIVERIES_PER_CHUNK, wholeInstallations } from '../wide-events.ts';
import type { Database } from './database.ts';
import { lockSubscriptions } from './fan-out-lock.ts';
import { handing } from './handed.ts';
import { MOMENT, type Moment, type OutboxStart } from './outbox-start.ts';
import type { OwnBuckets } from './own-buckets.ts';
import type { Queries } from './queries.ts';

/** Whom an event `o` is for: subscription `s` of installation `i`, since before it, and its resource likewise. */
export const SUBSCRIBED_THEN = raw(`s.since_seq < o.seq
  AND (i.all_resources AND i.all_resources_since_seq < o.seq OR EXISTS (
    SELECT 1 FROM mortise.granted_resources r
    WHERE r.installation_id = i.id AND r.resource = o.resource AND r.since_seq < o.seq))`);

/**
 * By the database's clock: what is due at once must not wait in the table for as long as the clock of whoever ran the
 * engine was ahead.
 */
const NOW = raw('(extract(epoch FROM clock_timestamp()) * 1000)::bigint');

const NOTHING: FannedOut = { owed: [], events: 0, isHolding: false };

interface Told extends Moment {
  firstSeq: number;
  eventSeq: number;
  eventId: string;
  eventType: string;
  eventAt: number;
  orderingKey: string | null;
  /** How far it had come. */
  after: string;
  installationId: string;
  webhookId: string;
}

/** As the outer join has it. */
type Row = Omit<Told, 'installationId' | 'webhookId'> & {
  installationId: string | null;
  webhookId: string | null;
};

/** What a pass does: deliveries, and the outbox rows that are done with them. */
interface Plan {
  told: Told[];
  events: number;
  /** Changes the outbox, and returns the number of each event that it changed. */
  progress: Sql;
}

export function fanOut(
  db: Database,
  own: OwnBuckets,
  outbox: OutboxStart,
  limit: number,
  now: number,
  expiresAt: number,
): Promise<FannedOut> {
  return db.transaction(async (tx) => {
    const { replica } = own;
    await lockSubscriptions(tx, replica);
    // Read under the lock: what it relies on here, whoever takes a bucket waits for.
    const { open } = own;
    if (open?.length === 0 || own.replica !== replica) return NOTHING;
    const rows = await waiting(tx, { open, replica, from: outbox.seq, limit });
    if (rows.length === 0) return NOTHING;
    outbox.found(rows[0]!.firstSeq, rows[0]!);
    const { told, events, progress } = plan(rows);
    const owed = told.map((row) => toOwed(row, now, expiresAt));
    const made = await owe(tx, owed, progress, open);
    return { owed: owed.filter(({ id }) => made.has(id)), events, isHolding: false };
    // After a power loss it is done again: the same deliveries, with the same ids. What was recorded of them since is
    // behind it in the log of PostgreSQL, and gone with it.
  }, 'committed');
}

/** Events in the order of their numbers, each with those it is for; one that is for nobody has one row without any. */
function waiting(tx: Queries, from: From): Promise<Row[]> {
  return tx.all(sql`SELECT o.seq AS "eventSeq", o.event_id AS "eventId", o.event_type AS "eventType",
      o.event_at AS "eventAt", o.ordering_key AS "orderingKey", o.after_installation AS after,
      t.installation_id AS "installationId", t.webhook_id AS "webhookId", ${MOMENT}, ${firstSeq(from)} AS "firstSeq"
    FROM (${firstOf(from)}) o
    LEFT JOIN LATERAL (
      SELECT s.installation_id, s.webhook_id
      FROM mortise.subscriptions s JOIN mortise.installations i ON i.id = s.installation_id
      WHERE s.context = o.context AND s.event_type = o.event_type AND s.installation_id > o.after_installation
        AND ${SUBSCRIBED_THEN}
      ORDER BY s.installation_id, s.webhook_id LIMIT ${DELIVERIES_PER_CHUNK + 1}) t ON true
    ORDER BY o.seq, t.installation_id, t.webhook_id LIMIT ${DELIVERIES_PER_CHUNK + 1}`);
}

interface From {
  /** Buckets; undefined: all. */
  open: number[] | undefined;
  /** Nothing is taken for one that is gone. */
  replica: string | undefined;
  /** Nothing is there below this number. */
  from: number;
  limit: number;
}

/** The first that is left of its buckets, of which a pass may see others. */
function firstSeq({ open, from }: From): Sql {
  if (!open) return sql`MIN(o.seq) OVER ()`;
  return sql`(SELECT MIN(f.seq) FROM unnest(${open}::smallint[]) AS b (id) CROSS JOIN LATERAL (
    SELECT seq FROM mortise.outbox WHERE bucket = b.id AND seq >= ${from} ORDER BY seq LIMIT 1) f)`;
}

/** The oldest of all; or of its buckets, each in its order, from any of them on: none waits behind the others for ever. */
function firstOf({ open, replica, from, limit }: From): Sql {
  const lives =
    replica === undefined
      ? empty
      : sql`AND EXISTS (SELECT 1 FROM mortise.replicas WHERE id = ${replica})`;
  if (!open)
    return sql`SELECT * FROM mortise.outbox WHERE seq >= ${from} ${lives} ORDER BY seq LIMIT ${limit}`;
  const start = Math.floor(Math.random() * BUCKETS);
  const among = (buckets: number[]) => sql`(SELECT * FROM mortise.outbox
    WHERE bucket = ANY (${buckets}::smallint[]) AND seq >= ${from} ${lives} ORDER BY bucket, seq LIMIT ${limit})`;
  return sql`SELECT * FROM (${among(open.filter((bucket) => bucket >= start))}
    UNION ALL ${among(open.filter((bucket) => bucket < start))}) f LIMIT ${limit}`;
}

/** Of the last event not all may be there: it is left for the next pass, or taken in chunks if it is alone. */
function plan(rows: Row[]): Plan {
  const first = rows[0]!;
  const last = rows.at(-1)!;
  const isCut = rows.length > DELIVERIES_PER_CHUNK;
  if (isCut && first.eventSeq === last.eventSeq) {
    const told = wholeInstallations(rows.filter(isTold), ({ installationId }) => installationId);
    const progress = sql`UPDATE mortise.outbox SET after_installation = ${told.at(-1)!.installationId}
      WHERE seq = ${first.eventSeq} AND after_installation = ${first.after} RETURNING seq`;
    return { told, events: 1, progress };
  }
  const whole = isCut ? rows.filter(({ eventSeq }) => eventSeq !== last.eventSeq) : rows;
  const done = [...new Set(whole.map(({ eventSeq }) => eventSeq))];
  const progress = sql`DELETE FROM mortise.outbox WHERE seq = ANY (${done}::bigint[]) RETURNING seq`;
  return { told: whole.filter(isTold), events: done.length, progress };
}

function isTold(row: Row): row is Told {
  return row.installationId !== null;
}

function toOwed(
  { after: _, oldest: _oldest, taken: _taken, firstSeq: _firstSeq, ...told }: Told,
  now: number,
  expiresAt: number,
): OwedDelivery {
  return {
    id: derivedIdAt(told.eventAt, told.eventId, told.installationId, told.webhookId),
    ...told,
    replayId: null,
    allowed: null,
    attempts: 0,
    dueAt: now,
    expiresAt,
  };
}

/** @returns the ids of those that were not there yet, in these buckets; of the others their owners hear */
async function owe(
  tx: Queries,
  owed: OwedDelivery[],
  progress: Sql,
  open: number[] | undefined,
): Promise<Set<string>> {
  const each = <T>(value: (delivery: OwedDelivery) => T) => owed.map(value);
  const made = sql`INSERT INTO mortise.deliveries (id, bucket, installation_id, webhook_id, event_seq, event_id, event_type, event_at,
      ordering_key, due_at, expires_at)
    SELECT d.id, d.bucket, d.installation_id, d.webhook_id, d.event_seq, d.event_id, d.event_type, d.event_at,
      d.ordering_key, LEAST(d.due_at, ${NOW}), d.expires_at FROM unnest(${each(({ id }) => id)}::text[],
      ${each(({ installationId }) => bucketOf(installationId))}::smallint[],
      ${each(({ installationId }) => installationId)}::text[], ${each(({ webhookId }) => webhookId)}::text[],
      ${each(({ eventSeq }) => eventSeq)}::bigint[], ${each(({ eventId }) => eventId)}::text[],
      ${each(({ eventType }) => eventType)}::text[], ${each(({ eventAt }) => eventAt)}::bigint[],
      ${each(({ orderingKey }) => orderingKey)}::text[], ${each(({ dueAt }) => dueAt)}::bigint[],
      ${each(({ expiresAt }) => expiresAt)}::bigint[])
      AS d (id, bucket, installation_id, webhook_id, event_seq, event_id, event_type, event_at, ordering_key, due_at,
        expires_at)
    WHERE d.event_seq IN (SELECT seq FROM progress)
    ON CONFLICT (id) DO NOTHING RETURNING id, bucket, installation_id`;
  const rows = await tx.all<{ id: string }>(
    open
      ? sql`WITH progress AS (${progress}), made AS (${made}), handed AS (${handing(open)})
        SELECT id FROM made WHERE bucket = ANY (${open}::smallint[])`
      : sql`WITH progress AS (${progress}) ${made}`,
  );
  return new Set(rows.map(({ id }) => id));
}
