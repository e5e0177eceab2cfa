// Published events, the outbox beside them, and turning one into the other's deliveries.
import { realpathSync } from 'node:fs';
import type { Database } from 'better-sqlite3';
import { MortiseError } from '../../core/errors.ts';
import { bucketOf } from '../../core/ids.ts';
import type { EventRow } from '../rows.ts';
import type { EventStore } from '../store.ts';
import type { Writer } from './writer.ts';

export const EVENT_COLUMNS = `e.id, e.type, e.context, e.resource, e.actor, e.payload, e.created_at AS createdAt`;

/** How many installations one fan-out transaction serves at most, so that it stays short. */
const INSTALLATIONS_PER_CHUNK = 500;

export function eventStore(db: Database, writer: Writer, file: string): EventStore {
  const own = publisher(db);
  const foreign = new WeakMap<Database, ReturnType<typeof publisher>>();
  const find = db.prepare<[string], EventRow>(
    `SELECT ${EVENT_COLUMNS} FROM events e WHERE e.id = ?`,
  );
  const fanOut = fanOutOperation(db);
  return {
    publish: (events) => writer.write(() => own(events)),
    publishWithin(transaction, events) {
      const handle = usableTransaction(transaction, file);
      let publish = foreign.get(handle);
      if (!publish) {
        publish = publisher(handle);
        foreign.set(handle, publish);
      }
      return publish(events);
    },
    async find(id) {
      const row = find.get(id);
      return row && { ...row, idempotency: null };
    },
    fanOut: (limit, now, expiresAfterMs) => writer.write(() => fanOut(limit, now, expiresAfterMs)),
  };
}

/** Statements on one handle; the caller's transaction decides whether any of it happens. */
function publisher(db: Database) {
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
  const insertEvent = db.prepare(
    `INSERT INTO events (id, type, context, resource, actor, payload, created_at)
     VALUES (@id, @type, @context, @resource, @actor, @payload, @createdAt)`,
  );
  const insertOutbox = db.prepare('INSERT INTO outbox (event_seq, bucket) VALUES (?, ?)');

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
    const { lastInsertRowid } = insertEvent.run(event);
    insertOutbox.run(lastInsertRowid, bucketOf(event.id));
    return event.id;
  }
  return (events: EventRow[]): string[] => events.map(publishOne);
}

function idempotencyConflict(key: string, eventId: string): MortiseError {
  return new MortiseError({
    code: 'idempotency_conflict',
    status: 409,
    message: `The idempotency key "${key}" was used for event ${eventId} with another body; nothing was published.`,
    hint: 'Use a new key for a new event, and send exactly the same body when you repeat one.',
    extensions: { eventId },
  });
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
  return new MortiseError({
    code: 'transaction_unusable',
    status: 500,
    message: `publish() was given a transaction it cannot join: ${why}.`,
    hint: 'Open better-sqlite3 on the file of MORTISE_DATABASE_URL, set PRAGMA synchronous = FULL, and call publish() inside db.transaction(…).',
  });
}

/**
 * Each chunk's deliveries and the outbox row's progress are one transaction: killed in between, the
 * next owner goes on where it stopped, and nothing is owed twice.
 */
function fanOutOperation(db: Database) {
  const waiting = db.prepare<
    [number],
    { seq: number; cursor: string; type: string; context: string; createdAt: number }
  >(
    `SELECT o.event_seq AS seq, o.after_installation AS cursor, e.type, e.context, e.created_at AS createdAt
     FROM outbox o JOIN events e ON e.seq = o.event_seq ORDER BY o.event_seq LIMIT ?`,
  );
  const chunkEnd = db.prepare<[string, string, string, number], { installationId: string }>(
    `SELECT installation_id AS installationId FROM subscriptions
     WHERE context = ? AND event_type = ? AND installation_id > ? ORDER BY installation_id LIMIT 1 OFFSET ?`,
  );
  const insert = db.prepare<Record<string, unknown>, { installationId: string }>(
    `INSERT INTO deliveries (id, bucket, installation_id, webhook_id, event_seq, event_id, event_type, event_at,
       due_at, created_at, expires_at)
     SELECT delivery_id(e.id, s.installation_id, s.webhook_id), bucket_of(s.installation_id),
       s.installation_id, s.webhook_id, e.seq, e.id, e.type, e.created_at, @now, @now, @expiresAt
     FROM events e
     JOIN subscriptions s ON s.context = e.context AND s.event_type = e.type
     JOIN installations i ON i.id = s.installation_id
     WHERE e.seq = @seq AND s.since <= e.created_at
       AND s.installation_id > @after AND (@upTo IS NULL OR s.installation_id <= @upTo)
       AND (i.all_resources = 1 AND i.all_resources_since <= e.created_at OR EXISTS (
         SELECT 1 FROM granted_resources r
         WHERE r.installation_id = i.id AND r.resource = e.resource AND r.since <= e.created_at))
     ON CONFLICT (id) DO NOTHING
     RETURNING installation_id AS installationId`,
  );
  const remove = db.prepare('DELETE FROM outbox WHERE event_seq = ?');
  const advance = db.prepare('UPDATE outbox SET after_installation = ? WHERE event_seq = ?');

  return (limit: number, now: number, expiresAfterMs: number) => {
    const installations = new Set<string>();
    let events = 0;
    for (const event of waiting.all(limit)) {
      if (installations.size >= INSTALLATIONS_PER_CHUNK) break;
      const upTo =
        chunkEnd.get(event.context, event.type, event.cursor, INSTALLATIONS_PER_CHUNK - 1)
          ?.installationId ?? null;
      const rows = insert.all({
        seq: event.seq,
        now,
        expiresAt: now + expiresAfterMs,
        after: event.cursor,
        upTo,
      });
      for (const row of rows) installations.add(row.installationId);
      if (upTo === null) remove.run(event.seq);
      else advance.run(upTo, event.seq);
      events++;
    }
    return { installations: [...installations], events };
  };
}
