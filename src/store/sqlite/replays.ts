// Deliveries that are owed again. Each chunk's deliveries and the replay's progress are one transaction: killed in
// between, it goes on where it stopped, and nothing is owed twice.
import type { Database } from 'better-sqlite3';
import { bucketOf } from '../../core/ids.ts';
import type { StoreObserver } from '../observer.ts';
import type { Candidate } from '../replay-candidates.ts';
import type { NewReplay, ReplayRow } from '../replay-rows.ts';
import type { ReplayStore } from '../replay-store.ts';
import { replayedId } from '../replayed-id.ts';
import type { AttemptTables } from './attempt-tables.ts';
import type { EventTables } from './event-tables.ts';
import { replayScan } from './replay-scan.ts';
import type { Unwritten } from './unwritten.ts';
import type { Writer } from './writer.ts';

const COLUMNS = `id, state, delivery_id AS deliveryId, installation_id AS installationId, event_type AS eventType,
  event_id AS eventId, since, until, outcomes, allowed, new_ids AS newIds, per_second AS perSecond, cursor, total,
  done, already_delivered AS alreadyDelivered, skipped_owed AS skippedOwed, skipped_expired AS skippedExpired,
  delivered, failed, dropped, created_at AS createdAt, ended_at AS endedAt`;

type RawReplay = Omit<ReplayRow, 'outcomes' | 'newIds'> & {
  outcomes: string;
  newIds: number;
  cursor: string | null;
};

export function replayStore(
  db: Database,
  writer: Writer,
  attempts: AttemptTables,
  events: EventTables,
  unwritten: Unwritten,
  observer?: StoreObserver,
): ReplayStore {
  const scan = replayScan(db, attempts, events);
  const insert = db.prepare(
    `INSERT INTO replays (id, state, delivery_id, installation_id, event_type, event_id, since, until, outcomes, allowed,
       new_ids, per_second, total, already_delivered, created_at)
     VALUES (@id, 'running', @deliveryId, @installationId, @eventType, @eventId, @since, @until, @outcomes, @allowed,
       @newIds, @perSecond, @total, @alreadyDelivered, @createdAt)`,
  );
  const find = db.prepare<[string], RawReplay>(`SELECT ${COLUMNS} FROM replays WHERE id = ?`);
  const list = db.prepare<[string, number], RawReplay>(
    `SELECT ${COLUMNS} FROM replays WHERE id < ? ORDER BY id DESC LIMIT ?`,
  );
  const running = db.prepare<[], RawReplay>(
    `SELECT ${COLUMNS} FROM replays WHERE state = 'running' ORDER BY id`,
  );
  const owe = db.prepare(
    `INSERT INTO deliveries (id, bucket, installation_id, webhook_id, event_seq, event_id, event_type, event_at,
       ordering_key, replay_id, allowed, due_at, expires_at)
     VALUES (@id, @bucket, @installationId, @webhookId, @eventSeq, @eventId, @eventType, @eventAt,
       @orderingKey, @replayId, @allowed, @now, @expiresAt)`,
  );
  const advance = db.prepare(
    `UPDATE replays SET cursor = @cursor, done = done + @done, skipped_owed = skipped_owed + @owed, skipped_expired = skipped_expired + @expired,
       state = CASE WHEN @cursor IS NULL THEN 'done' ELSE state END,
       ended_at = CASE WHEN @cursor IS NULL THEN @now ELSE NULL END
     WHERE id = @id`,
  );
  const cancel = db.prepare(
    `UPDATE replays SET state = 'cancelled', ended_at = ? WHERE id = ? AND state = 'running'`,
  );

  function idOf({ id, eventAt, outcome }: Candidate, replay: ReplayRow): string {
    // What never was owed has no id that an add-on could know.
    return replay.newIds && outcome !== null ? replayedId(replay.id, id, eventAt) : id;
  }

  return {
    create: (replay) => writer.write(() => void insert.run(writeReplay(replay))),
    async find(id) {
      const raw = find.get(id);
      return raw && readReplay(raw);
    },
    async list({ after, limit }) {
      return list.all(after ?? LAST, limit).map(readReplay);
    },
    async running() {
      return running.all().map(readReplay);
    },
    cancel: (id, at) =>
      writer.write(() => {
        cancel.run(at, id);
        const raw = find.get(id);
        return raw && readReplay(raw);
      }),
    async count(what, cursor) {
      await unwritten.settle();
      const page = scan(what, cursor, Number.POSITIVE_INFINITY);
      return {
        count: page.take.length,
        alreadyDelivered: page.take.filter(wasDelivered).length,
        skippedOwed: page.owed,
        skippedExpired: page.expired,
        cursor: page.cursor,
      };
    },
    async advance(id, { most, now, expiresAfterMs }) {
      const chunk = await writer.write(() => {
        const raw = find.get(id);
        if (raw?.state !== 'running') return undefined;
        unwritten.writeAll();
        const replay = readReplay(raw);
        const { take, owed, expired, cursor } = scan(replay, raw.cursor, most, id);
        for (const candidate of take) {
          const { outcome: _, ...row } = candidate;
          owe.run({
            bucket: bucketOf(candidate.installationId),
            ...row,
            id: idOf(candidate, replay),
            replayId: id,
            allowed: replay.allowed === 'now' ? 'now' : null,
            now,
            expiresAt: now + expiresAfterMs,
          });
        }
        const done = take.length;
        advance.run({ id, cursor, done, owed, expired, now });
        return {
          installationIds: [...new Set(take.map(({ installationId }) => installationId))],
          done,
          isOver: cursor === null,
        };
      });
      if (chunk) observer?.owed(chunk.done);
      return chunk;
    },
  };
}

/** Counts what came of deliveries that a replay made due. */
export function replayEndStatements(db: Database) {
  const note = db.prepare<{ id: string; outcome: string; count: number }>(
    `UPDATE replays SET delivered = delivered + CASE WHEN @outcome = 'delivered' THEN @count ELSE 0 END,
       failed = failed + CASE WHEN @outcome = 'failed' THEN @count ELSE 0 END,
       dropped = dropped + CASE WHEN @outcome = 'dropped' THEN @count ELSE 0 END
     WHERE id = @id`,
  );
  const among = db.prepare<[string], { id: string; count: number }>(
    `SELECT replay_id AS id, COUNT(*) AS count FROM deliveries
     WHERE id IN (SELECT value FROM json_each(?)) AND replay_id IS NOT NULL GROUP BY replay_id`,
  );
  return {
    ended: (id: string, outcome: string) => void note.run({ id, outcome, count: 1 }),
    /** Before they are deleted. @param ids JSON list of deliveries */
    dropped(ids: string): void {
      for (const { id, count } of among.all(ids)) note.run({ id, outcome: 'dropped', count });
    },
  };
}

function wasDelivered({ outcome }: Candidate): boolean {
  return outcome === 'delivered';
}

function writeReplay(replay: NewReplay) {
  const { outcomes, newIds } = replay;
  return { ...replay, outcomes: JSON.stringify(outcomes), newIds: newIds ? 1 : 0 };
}

function readReplay({ outcomes, newIds, cursor: _, ...row }: RawReplay): ReplayRow {
  return { ...row, outcomes: JSON.parse(outcomes), newIds: newIds === 1 };
}

/** Above everything that is an id. */
const LAST = '~';
