// Turns published events into deliveries. Those of a narrow event are handed out without a row (unwritten.ts); of others
// each chunk's rows and the outbox row's progress are one transaction: killed in between, the next owner goes on where
// it stopped, and nothing is owed twice.
import type { Database } from 'better-sqlite3';
import { derivedIdAt } from '../../core/ids.ts';
import type { FannedOut, OwedDelivery } from '../rows.ts';
import { DELIVERIES_PER_CHUNK, wholeInstallations } from '../wide-events.ts';
import { insertOwedRow } from './owed-rows.ts';
import type { Unwritten } from './unwritten.ts';

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

export interface FanOutOperation {
  /** Reads. @returns undefined if the next event is one that needs rows, or that an earlier process may have handed out */
  hand(limit: number, now: number, expiresAfterMs: number): FannedOut | undefined;
  /** Inside a transaction. */
  write(limit: number, now: number, expiresAfterMs: number): FannedOut;
}

export function fanOutOperation(db: Database, unwritten: Unwritten): FanOutOperation {
  // LIMIT takes no bare parameter here: SQLite would plan the statement anew for each value it is given.
  const waiting = db.prepare<[number, number], Waiting>(
    `SELECT seq, event_id AS eventId, event_type AS type, event_at AS eventAt, context, resource,
       ordering_key AS orderingKey, after_installation AS after
     FROM outbox WHERE seq > ? ORDER BY seq LIMIT (? + 0)`,
  );
  const told = db
    .prepare<Waiting, Told>(
      `SELECT s.installation_id, s.webhook_id FROM subscriptions s JOIN installations i ON i.id = s.installation_id
       WHERE s.context = @context AND s.event_type = @type AND s.installation_id > @after AND ${SUBSCRIBED_THEN}
       ORDER BY s.installation_id, s.webhook_id LIMIT ${DELIVERIES_PER_CHUNK + 1}`,
    )
    .raw();
  const insert = insertOwedRow(db);
  const remove = db.prepare('DELETE FROM outbox WHERE seq BETWEEN ? AND ?');
  const advance = db.prepare('UPDATE outbox SET after_installation = ? WHERE seq = ?');

  function owedTo(event: Waiting, rows: Told[], now: number, expiresAt: number): OwedDelivery[] {
    const { seq: eventSeq, eventId, type: eventType, eventAt, orderingKey } = event;
    return rows.map(([installationId, webhookId]) => ({
      id: derivedIdAt(eventAt, eventId, installationId, webhookId),
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
    }));
  }

  function hand(limit: number, now: number, expiresAfterMs: number): FannedOut | undefined {
    const owed: OwedDelivery[] = [];
    let events = 0;
    for (const event of waiting.all(unwritten.lastHanded, limit)) {
      if (owed.length >= DELIVERIES_PER_CHUNK) break;
      const { seq, orderingKey, after } = event;
      // Only the table knows what else of an order is owed.
      if (orderingKey !== null || after !== '') break;
      const rows = told.all(event);
      if (rows.length > DELIVERIES_PER_CHUNK || !unwritten.mayHand(seq, rows.length)) break;
      const deliveries = owedTo(event, rows, now, now + expiresAfterMs);
      unwritten.hand(seq, deliveries);
      owed.push(...deliveries);
      events++;
    }
    return events > 0 ? { owed, events } : undefined;
  }

  function write(limit: number, now: number, expiresAfterMs: number): FannedOut {
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
    const some = waiting.all(unwritten.lastHanded, limit);
    const hasEnded = unwritten.endedOfEarlier(some);
    const owe = (event: Waiting, rows: Told[]) => {
      const deliveries = owedTo(event, rows, now, now + expiresAfterMs);
      owed.push(...deliveries.filter((delivery) => !hasEnded(delivery.id) && insert(delivery)));
    };
    for (const event of some) {
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
        owe(event, rows);
        run = [run?.[0] ?? seq, seq];
        continue;
      }
      endRun();
      const chunk = wholeInstallations(rows, ([id]) => id);
      owe(event, chunk);
      advance.run(chunk.at(-1)![0], seq);
      if (order !== undefined) held.add(order);
    }
    endRun();
    return { owed, events };
  }

  return { hand, write };
}
