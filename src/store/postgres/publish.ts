// One statement that publishes events, however many: keys, event and outbox rows.
import sql, { type Sql } from 'sql-template-tag';
import { bucketOf } from '../../core/ids.ts';
import { idempotencyConflict } from '../publish-errors.ts';
import type { EventRow } from '../rows.ts';

/** What it returns for each event, in their order. */
export interface PublishedRow {
  /** That of the first time, if its key was used before. */
  id: string;
  isConflict: boolean;
}

/**
 * @param preferred the bucket of events that are of no order: one that this process fans out itself. undefined: by their ids.
 * @param setting is evaluated with it.
 */
export function publishing(events: EventRow[], preferred: number | undefined, setting: Sql): Sql {
  // Payloads lie in one piece of memory: as it is, that is what the protocol carries.
  const payloads = Buffer.concat(events.map(({ payload }) => payload));
  let end = 0;
  const starts = events.map(({ payload }) => {
    end += payload.length;
    return end - payload.length + 1;
  });
  const each = <T>(value: (event: EventRow) => T) => events.map(value);
  return sql`WITH asked AS MATERIALIZED (
      SELECT * FROM unnest(${each(({ id }) => id)}::text[], ${each(({ type }) => type)}::text[],
        ${each(({ context }) => context)}::text[], ${each(({ resource }) => resource)}::text[],
        ${each(({ actor }) => actor)}::text[], ${each(({ orderingKey }) => orderingKey)}::text[],
        ${each(({ traceId }) => traceId)}::text[], ${each(({ createdAt }) => createdAt)}::bigint[],
        ${each((event) => bucketFor(event, preferred))}::smallint[], ${starts}::int[],
        ${each(({ payload }) => payload.length)}::int[], ${each(({ idempotency }) => idempotency?.key ?? null)}::text[],
        ${each(({ idempotency }) => idempotency?.bodyHash ?? null)}::bytea[],
        ${each(({ idempotency }) => idempotency?.expiresAt ?? null)}::bigint[]) WITH ORDINALITY
      AS a (id, type, context, resource, actor, ordering_key, trace_id, created_at, bucket, start, length, key,
        body_hash, expires_at, place)),
    ${hasKeys(events) ? takingKeys(events) : WITHOUT_KEYS},
    -- Numbered in their order, and not before the transaction has its id (outbox-start.ts).
    new AS MATERIALIZED (
      SELECT CASE WHEN pg_current_xact_id() IS NOT NULL THEN nextval('mortise.event_numbers') END AS seq, t.*
      FROM (SELECT * FROM told WHERE told_id = id ORDER BY place) t),
    event AS (INSERT INTO mortise.events (seq, id, type, context, resource, actor, ordering_key, trace_id, payload, created_at)
      SELECT seq, id, type, context, resource, actor, ordering_key, trace_id,
        substring(${payloads}::bytea FROM start FOR length), created_at FROM new),
    waiting AS (INSERT INTO mortise.outbox (bucket, seq, event_id, event_type, event_at, context, resource, ordering_key)
      SELECT bucket, seq, id, type, created_at, context, resource, ordering_key FROM new)
    SELECT told_id AS id, is_conflict AS "isConflict", ${setting} FROM told ORDER BY place`;
}

/** Events of one order are fanned out by one owner, one after the other, whoever publishes them. */
function bucketFor({ id, orderingKey }: EventRow, preferred: number | undefined): number {
  if (orderingKey !== null) return bucketOf(orderingKey);
  return preferred ?? bucketOf(id);
}

export function hasKeys(events: EventRow[]): boolean {
  return events.some(({ idempotency }) => idempotency !== null);
}

/** @throws idempotency_conflict: nothing of this may stand then */
export function idsOf(events: EventRow[], rows: PublishedRow[]): string[] {
  return rows.map(({ id, isConflict }, i) => {
    if (isConflict) throw idempotencyConflict(events[i]!.idempotency!.key, id);
    return id;
  });
}

const WITHOUT_KEYS = sql`told AS (SELECT a.*, id AS told_id, false AS is_conflict FROM asked a)`;

/**
 * A key that is good still keeps its event. Whoever has taken it in a transaction of its own is waited for, in the order
 * of the keys, so that nobody waits in a circle.
 */
function takingKeys(events: EventRow[]): Sql {
  const now = Math.max(...events.map(({ createdAt }) => createdAt));
  const isGood = sql`k.expires_at > ${now}::bigint`;
  return sql`keyed AS (INSERT INTO mortise.event_keys AS k (context, idempotency_key, event_id, body_hash, expires_at)
      SELECT DISTINCT ON (context, key) context, key, id, body_hash, expires_at FROM asked WHERE key IS NOT NULL
      ORDER BY context, key, place
      ON CONFLICT (context, idempotency_key) DO UPDATE SET 
        event_id = CASE WHEN ${isGood} THEN k.event_id ELSE excluded.event_id END,
        body_hash = CASE WHEN ${isGood} THEN k.body_hash ELSE excluded.body_hash END,
        expires_at = CASE WHEN ${isGood} THEN k.expires_at ELSE excluded.expires_at END
      RETURNING context, idempotency_key, event_id, body_hash),
    told AS (SELECT a.*, COALESCE(k.event_id, a.id) AS told_id, COALESCE(k.body_hash <> a.body_hash, false) AS is_conflict
      FROM asked a LEFT JOIN keyed k ON k.context = a.context AND k.idempotency_key = a.key)`;
}
