// Events of deliveries that are about to be sent.
import sql, { raw } from 'sql-template-tag';
import type { OwedEventStore } from '../event-store.ts';
import type { EventRow } from '../rows.ts';
import type { Database } from './database.ts';

export const EVENT_COLUMNS =
  raw(`e.id, e.type, e.context, e.resource, e.actor, e.ordering_key AS "orderingKey",
  e.trace_id AS "traceId", e.payload, e.created_at AS "createdAt"`);

export function owedEventStore(db: Database): OwedEventStore {
  const findAllOwed: OwedEventStore['findAllOwed'] = async (deliveries) => {
    const bySeq = new Map(deliveries.map(({ eventSeq, eventAt }) => [eventSeq, eventAt]));
    if (bySeq.size === 0) return [];
    const times = [...bySeq.values()];
    // Between which times is said, so that other days are not even planned for.
    const rows = await db.all<Omit<EventRow, 'idempotency'>>(sql`SELECT ${EVENT_COLUMNS}
      FROM unnest(${[...bySeq.keys()]}::bigint[], ${times}::bigint[]) AS o (seq, at)
      JOIN mortise.events e ON e.seq = o.seq AND e.created_at = o.at
      WHERE e.created_at BETWEEN ${times.reduce((a, b) => Math.min(a, b))} AND ${times.reduce((a, b) => Math.max(a, b))}`);
    return rows.map((row) => ({ ...row, idempotency: null }));
  };
  return { findAllOwed, findOwed: async (delivery) => (await findAllOwed([delivery]))[0] };
}
