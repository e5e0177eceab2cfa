// Turns published events into deliveries. Each chunk's deliveries and the outbox row's progress are one
// transaction: killed in between, the next owner goes on where it stopped, and nothing is owed twice.
import type { Database } from 'better-sqlite3';
import { bucketOf, derivedIdAt } from '../../core/ids.ts';
import type { FannedOut, OwedDelivery } from '../rows.ts';
import { DELIVERIES_PER_CHUNK, wholeInstallations } from '../wide-events.ts';

/** Whom an event is for: subscription `s` of installation `i`, since before it, and its resource likewise. */
export const SUBSCRIBED_THEN = `s.since_seq < @seq
  AND (i.all_resources = 1 AND i.all_resources_since_seq < @seq OR EXISTS (
    SELECT 1 FROM granted_resources r
    WHERE r.installation_id = i.id AND r.resource = @resource AND r.since_seq < @seq))`;

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

type Told = [installationId: string, webhookId: string];

export function fanOutOperation(db: Database) {
  // LIMIT takes no bare parameter here: SQLite would plan the statement anew for each value it is given.
  const waiting = db.prepare<[number], Waiting>(
    `SELECT seq, event_id AS eventId, event_type AS type, event_at AS eventAt, context, resource,
       ordering_key AS orderingKey, after_installation AS after
     FROM outbox ORDER BY seq LIMIT (? + 0)`,
  );
  const told = db
    .prepare<Waiting, Told>(
      `SELECT s.installation_id, s.webhook_id FROM subscriptions s JOIN installations i ON i.id = s.installation_id
       WHERE s.context = @context AND s.event_type = @type AND s.installation_id > @after AND ${SUBSCRIBED_THEN}
       ORDER BY s.installation_id, s.webhook_id LIMIT ${DELIVERIES_PER_CHUNK + 1}`,
    )
    .raw();
  const insert = db.prepare(
    `INSERT INTO deliveries (id, bucket, installation_id, webhook_id, event_seq, event_id, event_type, event_at,
       ordering_key, due_at, expires_at)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`,
  );
  const remove = db.prepare('DELETE FROM outbox WHERE seq BETWEEN ? AND ?');
  const advance = db.prepare('UPDATE outbox SET after_installation = ? WHERE seq = ?');

  function owe(event: Waiting, rows: Told[], now: number, expiresAt: number): OwedDelivery[] {
    const { seq: eventSeq, eventId, type: eventType, eventAt, orderingKey } = event;
    return rows.flatMap(([installationId, webhookId]) => {
      const id = derivedIdAt(eventAt, eventId, installationId, webhookId);
      const { changes } = insert.run(
        id,
        bucketOf(installationId),
        installationId,
        webhookId,
        eventSeq,
        eventId,
        eventType,
        eventAt,
        orderingKey,
        now,
        expiresAt,
      );
      if (changes === 0) return [];
      return {
        id,
        installationId,
        webhookId,
        eventSeq,
        eventId,
        eventType,
        eventAt,
        orderingKey,
        replayId: null,
        allowed: null,
        attempts: 0,
        dueAt: now,
        expiresAt,
      };
    });
  }

  return (limit: number, now: number, expiresAfterMs: number): FannedOut => {
    const owed: OwedDelivery[] = [];
    /** Orders of which an event is not done: a later one of the same must not overtake it. */
    const held = new Set<string>();
    let events = 0;
    /** The run of events that are done, by number. */
    let run: [from: number, to: number] | undefined;
    const endRun = () => {
      if (run) remove.run(...run);
      run = undefined;
    };
    for (const event of waiting.all(limit)) {
      if (owed.length >= DELIVERIES_PER_CHUNK) break;
      const { seq, context, orderingKey } = event;
      const order = orderingKey === null ? undefined : `${context}\u0000${orderingKey}`;
      if (order !== undefined && held.has(order)) {
        endRun();
        continue;
      }
      const rows = told.all(event);
      events++;
      if (rows.length <= DELIVERIES_PER_CHUNK) {
        owed.push(...owe(event, rows, now, now + expiresAfterMs));
        run = [run?.[0] ?? seq, seq];
        continue;
      }
      endRun();
      const chunk = wholeInstallations(rows, ([id]) => id);
      owed.push(...owe(event, chunk, now, now + expiresAfterMs));
      advance.run(chunk.at(-1)![0], seq);
      if (order !== undefined) held.add(order);
    }
    endRun();
    return { owed, events };
  };
}
