// Published events, and the outbox beside them: in Mortise's own transaction, or in the product's.
import { realpathSync } from 'node:fs';
import type { Database } from 'better-sqlite3';
import type { MortiseError } from '../../core/errors.ts';
import { bucketOf } from '../../core/ids.ts';
import type { EventStore } from '../event-store.ts';
import type { StoreObserver } from '../observer.ts';
import { idempotencyConflict, transactionUnusable } from '../publish-errors.ts';
import type { EventRow } from '../rows.ts';
import { type EventTables, eventTables, findEvent, forgottenEvents } from './event-tables.ts';
import { fanOutOperation } from './fan-out.ts';
import { owedEventStore } from './owed-events.ts';
import type { Unwritten } from './unwritten.ts';
import type { Writer } from './writer.ts';

export function eventStore(
  db: Database,
  writer: Writer,
  file: string,
  tables: EventTables,
  unwritten: Unwritten,
  observer: StoreObserver | undefined,
): EventStore {
  const own = publisher(db, tables);
  const foreign = new WeakMap<Database, ReturnType<typeof publisher>>();
  const fanOut = fanOutOperation(db, unwritten);
  const forgotten = forgottenEvents(db);
  const find = db.transaction((id: string) => findEvent(tables, id));
  return {
    ...owedEventStore(db, tables),
    publish: (events) => writer.write(() => own(events)),
    publishWithin(transaction, events) {
      const handle = usableTransaction(transaction, file);
      let publish = foreign.get(handle);
      if (!publish) {
        publish = publisher(handle, eventTables(handle));
        foreign.set(handle, publish);
      }
      return publish(events);
    },
    async find(id) {
      const row = find(id);
      return row && { ...row, idempotency: null };
    },
    async forgottenBefore() {
      return forgotten.read();
    },
    async fanOut(limit, now, expiresAfterMs) {
      const { held, ...pass } =
        fanOut.hand(limit, now, expiresAfterMs) ??
        // After a power loss it is done again: the same deliveries, with the same ids.
        (await writer.write(() => fanOut.write(limit, now, expiresAfterMs), 'committed'));
      observer?.owed(pass.owed.length + held);
      // Nobody waits for it, and what fails is done with the next record.
      if (unwritten.hasManyDone) {
        void writer.write(() => unwritten.removeDone(), 'committed').catch(() => undefined);
      }
      return { ...pass, isHolding: !unwritten.held.isEmpty };
    },
  };
}

/** Statements on one handle; the caller's transaction decides whether any of it happens. */
function publisher(db: Database, tables: EventTables) {
  const findKey = db.prepare<[string, string, number], { eventId: string; bodyHash: Buffer }>(
    `SELECT event_id AS eventId, body_hash AS bodyHash FROM event_keys
     WHERE context = ? AND idempotency_key = ? AND expires_at > ?`,
  );
  const insertKey = db.prepare(
    `INSERT INTO event_keys (context, idempotency_key, event_id, body_hash, expires_at) VALUES (?, ?, ?, ?, ?)
     ON CONFLICT (context, idempotency_key) DO UPDATE SET event_id = excluded.event_id,
       body_hash = excluded.body_hash, expires_at = excluded.expires_at`,
  );
  const sweepKeys = db.prepare(
    `DELETE FROM event_keys WHERE (context, idempotency_key) IN
       (SELECT context, idempotency_key FROM event_keys WHERE expires_at <= ? LIMIT 10)`,
  );
  const insertOutbox = db.prepare(
    `INSERT INTO outbox (bucket, event_id, event_type, event_at, context, resource, ordering_key)
     VALUES (?, ?, ?, ?, ?, ?, ?)`,
  );

  /** @throws idempotency_conflict before anything of this event is written */
  function publishOne(event: EventRow): string {
    const { idempotency } = event;
    if (idempotency) {
      const before = findKey.get(event.context, idempotency.key, event.createdAt);
      if (before) {
        if (before.bodyHash.equals(idempotency.bodyHash)) return before.eventId;
        throw idempotencyConflict(idempotency.key, before.eventId);
      }
      insertKey.run(
        event.context,
        idempotency.key,
        event.id,
        idempotency.bodyHash,
        idempotency.expiresAt,
      );
      sweepKeys.run(event.createdAt);
    }
    const { id, type, context, resource, actor, orderingKey, traceId, payload, createdAt } = event;
    const bucket = bucketOf(orderingKey ?? id);
    const { lastInsertRowid: seq } = insertOutbox.run(
      bucket,
      id,
      type,
      createdAt,
      context,
      resource,
      orderingKey,
    );
    tables
      .at(createdAt)
      .insert.run(
        seq,
        id,
        type,
        context,
        resource,
        actor,
        orderingKey,
        traceId,
        payload,
        createdAt,
      );
    return id;
  }
  return (events: EventRow[]): string[] => events.map(publishOne);
}

/** A commit that others rely on must be on Mortise's own file, in a transaction, and durable. */
function usableTransaction(transaction: unknown, file: string): Database {
  const handle = transaction as Database;
  if (typeof handle?.prepare !== 'function' || typeof handle.pragma !== 'function') {
    throw unusable('it is not a better-sqlite3 database handle');
  }
  if (!handle.inTransaction) throw unusable('no transaction is open on it');
  const main = (handle.pragma('database_list') as { name: string; file: string }[]).find(
    (d) => d.name === 'main',
  );
  if (file === ':memory:' || !main || realpathSync(main.file || '.') !== realpathSync(file)) {
    throw unusable(`it is open on ${main?.file || 'another database'}, not on Mortise's own file`);
  }
  if ((handle.pragma('synchronous', { simple: true }) as number) < 2) {
    throw unusable(
      'its synchronous setting is not FULL, so a committed event could vanish at power loss',
    );
  }
  return handle;
}

function unusable(why: string): MortiseError {
  return transactionUnusable(
    why,
    'Open better-sqlite3 on the file of MORTISE_DATABASE_URL, set PRAGMA synchronous = FULL, and call publish() inside db.transaction(…).',
  );
}
