// Turns published events into deliveries. Those of a narrow event are handed out without a row (unwritten.ts); of others
// each chunk's rows and the outbox row's progress are one transaction: killed in between, the next owner goes on where
// it stopped, and nothing is owed twice.
import type { Database } from 'better-sqlite3';
import { derivedIdAt } from '../../core/ids.ts';
import type { FannedOut, OwedDelivery } from '../rows.ts';
import { DELIVERIES_PER_CHUNK, wholeInstallations } from '../wide-events.ts';
import { insertOwedRow } from './owed-rows.ts';
import { Subscribers, subscribedThen, type Told } from './subscribers.ts';
import type { Unwritten } from './unwritten.ts';

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

type WaitingTuple = [
  seq: number,
  eventId: string,
  type: string,
  eventAt: number,
  context: string,
  resource: string | null,
  orderingKey: string | null,
  after: string,
];

/** What came of a pass. */
export interface Pass extends Omit<FannedOut, 'isHolding'> {
  /** Deliveries of events that are held back, more than before. */
  held: number;
}

export interface FanOutOperation {
  /** Reads. @returns undefined if the next event is one that needs rows, or that an earlier process may have handed out */
  hand(limit: number, now: number, expiresAfterMs: number): Pass | undefined;
  /** Inside a transaction. */
  write(limit: number, now: number, expiresAfterMs: number): Pass;
}

export function fanOutOperation(db: Database, unwritten: Unwritten): FanOutOperation {
  const subscribers = new Subscribers(db);
  const columns = `seq, event_id, event_type, event_at, context, resource, ordering_key, after_installation`;
  // LIMIT takes no bare parameter here: SQLite would plan the statement anew for each value it is given.
  const waiting = db
    .prepare<[number, number], WaitingTuple>(
      `SELECT ${columns} FROM outbox WHERE seq > ? ORDER BY seq LIMIT (? + 0)`,
    )
    .raw();
  const bySeq = db
    .prepare<[number], WaitingTuple>(`SELECT ${columns} FROM outbox WHERE seq = ?`)
    .raw();
  const toldBy = db
    .prepare<Waiting, Told>(
      `SELECT s.installation_id, s.webhook_id FROM subscriptions s JOIN installations i ON i.id = s.installation_id
       WHERE s.context = @context AND s.event_type = @type AND s.installation_id > @after AND ${subscribedThen('@seq', '@resource')}
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

  /** What this pass writes for somebody who is late: not two after each other, if there is anything else to do. */
  let late: number[] = [];

  function hand(limit: number, now: number, expiresAfterMs: number): Pass | undefined {
    late = late.length > 0 ? [] : unwritten.held.late(limit);
    if (late.length > 0) return undefined;
    const pass: Pass = { owed: [], events: 0, held: 0 };
    const expiresAt = now + expiresAfterMs;
    const some = waiting.all(unwritten.lastSeen, limit);
    subscribers.refresh();
    handHeld(pass, now, expiresAt);
    for (const tuple of some) {
      if (pass.owed.length >= DELIVERIES_PER_CHUNK) break;
      const event = readWaiting(tuple);
      const { seq, orderingKey, after } = event;
      // Only the table knows what else of an order is owed.
      if (orderingKey !== null || after !== '') break;
      const told = subscribers.of(event);
      if (!told) break;
      if (unwritten.mayHold(seq, told)) {
        unwritten.hold(seq, told);
        pass.held += told.length;
      } else if (unwritten.mayHand(seq, told.length)) {
        handOut(event, told, pass, now, expiresAt);
      } else break;
      pass.events++;
    }
    if (pass.events > 0) return pass;
    if (some.length === 0) late = unwritten.held.late(limit);
    return some.length + late.length > 0 ? undefined : pass;
  }

  /** Events that were held back, to those who have little in hand by now. */
  function handHeld(pass: Pass, now: number, expiresAt: number): void {
    for (const seq of unwritten.held.wanted()) {
      if (pass.owed.length >= DELIVERIES_PER_CHUNK) return;
      const event = readWaiting(bySeq.get(seq)!);
      // Of its kind there may be more than a chunk by now; those who are told of it are not more than they were.
      const told = subscribers.of(event) ?? toldBy.all(event);
      if (!unwritten.mayHand(seq, told.length)) return;
      pass.held -= unwritten.held.deliveriesOf(seq);
      unwritten.held.take(seq);
      pass.events++;
      handOut(event, told, pass, now, expiresAt);
    }
  }

  function handOut(event: Waiting, told: Told[], pass: Pass, now: number, expiresAt: number): void {
    const deliveries = owedTo(event, told, now, expiresAt);
    unwritten.hand(event.seq, deliveries);
    pass.owed.push(...deliveries);
  }

  /** Events that were held back for somebody who does not come to what is in hand. */
  function writeLate(now: number, expiresAt: number): Pass {
    const pass: Pass = { owed: [], events: 0, held: 0 };
    const tuples = late.map((seq) => bySeq.get(seq));
    const events = tuples.map((tuple) => tuple && readWaiting(tuple));
    const owe = owing(
      events.filter((event) => event !== undefined),
      pass.owed,
      now,
      expiresAt,
    );
    for (const event of events) {
      if (pass.owed.length >= DELIVERIES_PER_CHUNK) break;
      // Another process that sends by now may have seen to it.
      if (event) owe(event, toldBy.all(event));
      pass.held -= unwritten.held.deliveriesOf(late[pass.events]!);
      pass.events++;
    }
    unwritten.release(late.slice(0, pass.events));
    return pass;
  }

  /** Makes rows, and adds to `owed` those that it has made. */
  function owing(events: Waiting[], owed: OwedDelivery[], now: number, expiresAt: number) {
    const hasEnded = unwritten.endedOfEarlier(events);
    return (event: Waiting, told: Told[]) => {
      const deliveries = owedTo(event, told, now, expiresAt);
      owed.push(...deliveries.filter((delivery) => !hasEnded(delivery.id) && insert(delivery)));
    };
  }

  function write(limit: number, now: number, expiresAfterMs: number): Pass {
    if (late.length > 0) return writeLate(now, now + expiresAfterMs);
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
    const some = waiting.all(unwritten.lastSeen, limit).map(readWaiting);
    const owe = owing(some, owed, now, now + expiresAfterMs);
    for (const event of some) {
      if (owed.length >= DELIVERIES_PER_CHUNK) break;
      const { seq, context, orderingKey } = event;
      const order = orderingKey === null ? undefined : `${context}\u0000${orderingKey}`;
      if (order !== undefined && held.has(order)) {
        endRun();
        continue;
      }
      const rows = toldBy.all(event);
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
    return { owed, events, held: 0 };
  }

  return { hand, write };
}

function readWaiting(tuple: WaitingTuple): Waiting {
  const [seq, eventId, type, eventAt, context, resource, orderingKey, after] = tuple;
  return { seq, eventId, type, eventAt, context, resource, orderingKey, after };
}
