// What clients are owed word of: grants that were taken back or narrowed.
import type { Database } from 'better-sqlite3';
import type { SecurityEventStore } from '../grant-store.ts';
import type { DueSecurityEvent, SecurityEvent, SecurityEventAttempt } from '../oauth-rows.ts';
import type { Writer } from './writer.ts';

type Raw<T extends SecurityEvent> = Omit<T, 'scopes'> & { scopes: string };

const COLUMNS = `e.id, e.client_id AS clientId, e.user_id AS userId, e.scopes, e.state, e.attempts, e.due_at AS dueAt,
  e.created_at AS createdAt`;

/** The statements of those who end grants. To be run before the grant ends. */
export function oweSecurityEvents(db: Database) {
  const insert = `INSERT INTO security_events (id, client_id, user_id, scopes, state, due_at, created_at)
    SELECT g.id, g.client_id, g.user_id, @scopes, 'owed', @at, @at
    FROM oauth_grants g JOIN oauth_clients c ON c.id = g.client_id LEFT JOIN installations i ON i.id = c.installation_id
    WHERE g.until IS NULL AND c.deleted_at IS NULL
      AND (c.events_uri IS NOT NULL OR
        (i.state IN ('enabled', 'disabled') AND json_extract(i.descriptor, '$.lifecycle.authorizationRevoked') IS NOT NULL))`;
  const oweOne = db.prepare(`${insert} AND g.id = @id AND g.user_id IS NOT NULL`);
  const oweAll = db.prepare(`${insert} AND g.user_id = @userId`);
  const supersede = `UPDATE security_events SET state = 'superseded' WHERE state = 'owed'`;
  const supersedeOne = db.prepare(
    `${supersede} AND (client_id, user_id) =
       (SELECT client_id, user_id FROM oauth_grants WHERE id = ? AND until IS NULL)`,
  );
  const supersedeAll = db.prepare(
    `${supersede} AND user_id = @userId
       AND client_id IN (SELECT client_id FROM oauth_grants WHERE user_id = @userId AND until IS NULL)`,
  );
  const supersedeOf = db.prepare(`${supersede} AND client_id = ? AND user_id = ?`);
  return {
    /** The newest says all: older ones about the same user need not be told any more. */
    owe(grantId: string, left: string[], at: number): void {
      supersedeOne.run(grantId);
      oweOne.run({ id: grantId, scopes: JSON.stringify(left), at });
    },
    oweAllOfUser(userId: string, at: number): void {
      supersedeAll.run({ userId });
      oweAll.run({ userId, scopes: '[]', at });
    },
    /** The user grants anew: word of what ended before would be taken for the end of this. */
    supersede(clientId: string, userId: string): void {
      supersedeOf.run(clientId, userId);
    },
  };
}

export function securityEventStore(db: Database, writer: Writer): SecurityEventStore {
  // SQLite takes the other columns from the row that has the minimum.
  const due = db.prepare<[number, number], Raw<DueSecurityEvent>>(
    `SELECT e.id, e.client_id AS clientId, e.user_id AS userId, e.scopes, e.state, e.attempts,
       MIN(e.due_at) AS dueAt, e.created_at AS createdAt, c.events_uri AS eventsUri, c.installation_id AS installationId
     FROM security_events e JOIN oauth_clients c ON c.id = e.client_id
     WHERE e.state = 'owed' GROUP BY e.client_id HAVING MIN(e.due_at) <= ? ORDER BY dueAt LIMIT ?`,
  );
  const nextDue = db.prepare<[], { dueAt: number | null }>(
    `SELECT MIN(due_at) AS dueAt FROM security_events WHERE state = 'owed'`,
  );
  const finish = db.prepare(
    `UPDATE security_events SET state = ?, attempts = attempts + 1 WHERE id = ? AND state = 'owed'`,
  );
  const postpone = db.prepare(
    `UPDATE security_events SET due_at = ?, attempts = attempts + 1 WHERE id = ? AND state = 'owed'`,
  );
  const drop = db.prepare(
    `UPDATE security_events SET state = 'dropped' WHERE id = ? AND state = 'owed'`,
  );
  const insertAttempt = db.prepare<SecurityEventAttempt & { eventId: string }>(
    `INSERT INTO security_event_attempts (event_id, number, at, url, status, error_code, message, excerpt, duration_ms)
     VALUES (@eventId, @number, @at, @url, @status, @errorCode, @message, @excerpt, @durationMs)`,
  );
  const list = db.prepare<
    { clientId: string | null; after: string | null; limit: number },
    Raw<SecurityEvent>
  >(
    `SELECT ${COLUMNS} FROM security_events e
     WHERE (@clientId IS NULL OR e.client_id = @clientId)
       AND (@after IS NULL OR e.seq < (SELECT seq FROM security_events WHERE id = @after))
     ORDER BY e.seq DESC LIMIT @limit`,
  );
  const find = db.prepare<[string], Raw<SecurityEvent>>(
    `SELECT ${COLUMNS} FROM security_events e WHERE e.id = ?`,
  );
  const log = db.prepare<[string], SecurityEventAttempt>(
    `SELECT number, at, url, status, error_code AS errorCode, message, excerpt, duration_ms AS durationMs
     FROM security_event_attempts WHERE event_id = ? ORDER BY seq`,
  );
  return {
    async due(now, limit) {
      return due.all(now, limit).map(read);
    },
    async nextDueAt() {
      return nextDue.get()?.dueAt ?? undefined;
    },
    record: (id, result, attempt) =>
      writer.write(() => {
        if (result.state === 'owed') postpone.run(result.dueAt, id);
        else finish.run(result.state, id);
        insertAttempt.run({ eventId: id, ...attempt });
      }),
    drop: (id) => writer.write(() => void drop.run(id)),
    async list({ clientId, after, limit }) {
      return list.all({ clientId: clientId ?? null, after: after ?? null, limit }).map(read);
    },
    async find(id) {
      const raw = find.get(id);
      return raw && { ...read(raw), log: log.all(id) };
    },
  };
}

function read<T extends SecurityEvent>(raw: Raw<T>): T {
  return { ...raw, scopes: JSON.parse(raw.scopes) } as unknown as T;
}
