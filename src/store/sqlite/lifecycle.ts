// Calls owed to add-ons about themselves, in order per installation, and every exchange that was made.
import type { Database, Statement } from 'better-sqlite3';
import type { LifecycleStore } from '../lifecycle-store.ts';
import type { ExchangeRecord, LifecycleCall } from '../rows.ts';
import type { Writer } from './writer.ts';

const CALL_COLUMNS = `c.id, c.installation_id AS installationId, c.kind, c.attempts, c.due_at AS dueAt,
  c.created_at AS createdAt`;

export function insertCallStatement(db: Database): Statement<LifecycleCall> {
  return db.prepare<LifecycleCall>(
    `INSERT INTO lifecycle_calls (id, installation_id, kind, state, attempts, due_at, created_at)
     VALUES (@id, @installationId, @kind, 'owed', @attempts, @dueAt, @createdAt)`,
  );
}

export function lifecycleStore(db: Database, writer: Writer): LifecycleStore {
  const hold = db.prepare(
    `UPDATE installations SET call_holder = @holder, call_held_until = @until
     WHERE id = @id AND (call_held_until IS NULL OR call_held_until <= @now)`,
  );
  const release = db.prepare(
    'UPDATE installations SET call_holder = NULL, call_held_until = NULL WHERE id = ? AND call_holder = ?',
  );
  // The head of each queue only: a call waits for the one before it.
  const heads = `SELECT MIN(seq) FROM lifecycle_calls WHERE state = 'owed' GROUP BY installation_id`;
  const due = db.prepare<[number, number], LifecycleCall>(
    `SELECT ${CALL_COLUMNS} FROM lifecycle_calls c
     WHERE c.seq IN (${heads}) AND c.due_at <= ? ORDER BY c.due_at LIMIT ?`,
  );
  const nextDue = db.prepare<[], { dueAt: number | null }>(
    `SELECT MIN(due_at) AS dueAt FROM lifecycle_calls WHERE seq IN (${heads})`,
  );
  const findOwed = db.prepare<[string], LifecycleCall>(
    `SELECT ${CALL_COLUMNS} FROM lifecycle_calls c WHERE c.id = ? AND c.state = 'owed'`,
  );
  const finish = db.prepare(
    `UPDATE lifecycle_calls SET state = ?, attempts = attempts + 1 WHERE id = ? AND state = 'owed'`,
  );
  const supersede = db.prepare(
    `UPDATE lifecycle_calls SET state = 'superseded' WHERE id = ? AND state = 'owed'`,
  );
  const postpone = db.prepare(
    `UPDATE lifecycle_calls SET due_at = ?, attempts = attempts + 1 WHERE id = ? AND state = 'owed'`,
  );
  const insertExchange = db.prepare<ExchangeRecord>(
    `INSERT INTO lifecycle_exchanges (id, installation_id, kind, attempt, method, url, status, error_code,
       message, excerpt, at, duration_ms)
     VALUES (@id, @installationId, @kind, @attempt, @method, @url, @status, @errorCode, @message, @excerpt,
       @at, @durationMs)`,
  );
  const exchanges = db.prepare<[string, number], ExchangeRecord>(
    `SELECT id, installation_id AS installationId, kind, attempt, method, url, status,
       error_code AS errorCode, message, excerpt, at, duration_ms AS durationMs
     FROM lifecycle_exchanges WHERE installation_id = ? ORDER BY seq DESC LIMIT ?`,
  );
  return {
    hold: (id, holder, now, until) =>
      writer.write(() => hold.run({ id, holder, now, until }).changes === 1),
    release: (id, holder) => writer.write(() => void release.run(id, holder)),
    async due(now, limit) {
      return due.all(now, limit);
    },
    async nextDueAt() {
      return nextDue.get()?.dueAt ?? undefined;
    },
    async findOwed(id) {
      return findOwed.get(id);
    },
    record: (callId, result, exchange) =>
      writer.write(() => {
        if (result.state === 'owed') postpone.run(result.dueAt, callId);
        else finish.run(result.state, callId);
        insertExchange.run(exchange);
      }),
    drop: (callId) => writer.write(() => void supersede.run(callId)),
    addExchange: (exchange) => writer.write(() => void insertExchange.run(exchange)),
    async exchanges(installationId, limit) {
      return exchanges.all(installationId, limit);
    },
  };
}
