// The row of a delivery that an event has made.
import type { Database } from 'better-sqlite3';
import { bucketOf } from '../../core/ids.ts';
import type { OwedDelivery } from '../rows.ts';

/** @returns inserts it; false if it has a row */
export function insertOwedRow(db: Database): (delivery: OwedDelivery) => boolean {
  const insert = db.prepare(
    `INSERT INTO deliveries (id, bucket, installation_id, webhook_id, event_seq, event_id, event_type, event_at,
       ordering_key, due_at, expires_at)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`,
  );
  return (delivery) =>
    insert.run(
      delivery.id,
      bucketOf(delivery.installationId),
      delivery.installationId,
      delivery.webhookId,
      delivery.eventSeq,
      delivery.eventId,
      delivery.eventType,
      delivery.eventAt,
      delivery.orderingKey,
      delivery.dueAt,
      delivery.expiresAt,
    ).changes === 1;
}
