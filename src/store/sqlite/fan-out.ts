// Turns published events into deliveries. Each chunk's deliveries and the outbox row's progress are one
// transaction: killed in between, the next owner goes on where it stopped, and nothing is owed twice.
import type { Database } from 'better-sqlite3';
import type { FannedOut, OwedDelivery } from '../rows.ts';

/** How many installations one fan-out transaction serves at most, so that it stays short. */
const INSTALLATIONS_PER_CHUNK = 500;

interface Waiting {
  seq: number;
  eventId: string;
  type: string;
  eventAt: number;
  context: string;
  resource: string | null;
  orderingKey: string | null;
  after: string;
}

export function fanOutOperation(db: Database) {
  const waiting = db.prepare<[number], Waiting>(
    `SELECT seq, event_id AS eventId, event_type AS type, event_at AS eventAt, context, resource,
       ordering_key AS orderingKey, after_installation AS after
     FROM outbox ORDER BY seq LIMIT ?`,
  );
  const chunkEnd = db
    .prepare<[string, string, string, number], string>(
      `SELECT installation_id FROM subscriptions
       WHERE context = ? AND event_type = ? AND installation_id > ? ORDER BY installation_id LIMIT 1 OFFSET ?`,
    )
    .pluck();
  const insert = db.prepare<
    Waiting & { now: number; expiresAt: number; upTo: string | null },
    { id: string; installationId: string; webhookId: string }
  >(
    `INSERT INTO deliveries (id, bucket, installation_id, webhook_id, event_seq, event_id, event_type, event_at,
       ordering_key, due_at, expires_at)
     SELECT delivery_id(@eventAt, @eventId, s.installation_id, s.webhook_id), bucket_of(s.installation_id),
       s.installation_id, s.webhook_id, @seq, @eventId, @type, @eventAt, @orderingKey, @now, @expiresAt
     FROM subscriptions s
     JOIN installations i ON i.id = s.installation_id
     WHERE s.context = @context AND s.event_type = @type AND s.since <= @eventAt
       AND s.installation_id > @after AND (@upTo IS NULL OR s.installation_id <= @upTo)
       AND (i.all_resources = 1 AND i.all_resources_since <= @eventAt OR EXISTS (
         SELECT 1 FROM granted_resources r
         WHERE r.installation_id = i.id AND r.resource = @resource AND r.since <= @eventAt))
     ON CONFLICT (id) DO NOTHING
     RETURNING id, installation_id AS installationId, webhook_id AS webhookId`,
  );
  const remove = db.prepare('DELETE FROM outbox WHERE seq = ?');
  const advance = db.prepare('UPDATE outbox SET after_installation = ? WHERE seq = ?');

  return (limit: number, now: number, expiresAfterMs: number): FannedOut => {
    const owed: OwedDelivery[] = [];
    const expiresAt = now + expiresAfterMs;
    const unfinished = new Set<string>();
    let events = 0;
    for (const event of waiting.all(limit)) {
      if (owed.length >= INSTALLATIONS_PER_CHUNK) break;
      const { seq, eventId, type, eventAt, context, orderingKey, after } = event;
      // An event may not overtake an earlier one of its order that is still being fanned out.
      const order = orderingKey === null ? undefined : `${context}\u0000${orderingKey}`;
      if (order !== undefined && unfinished.has(order)) continue;
      const upTo = chunkEnd.get(context, type, after, INSTALLATIONS_PER_CHUNK - 1) ?? null;
      for (const row of insert.all({ ...event, now, expiresAt, upTo })) {
        owed.push({
          ...row,
          eventSeq: seq,
          eventId,
          eventType: type,
          eventAt,
          orderingKey,
          replayId: null,
          allowed: null,
          attempts: 0,
          dueAt: now,
          expiresAt,
        });
      }
      if (upTo === null) remove.run(seq);
      else {
        advance.run(upTo, seq);
        if (order !== undefined) unfinished.add(order);
      }
      events++;
    }
    return { owed, events };
  };
}
