// What clients are owed word of: grants that were taken back or narrowed.
import sql, { raw } from 'sql-template-tag';
import type { SecurityEventStore } from '../grant-store.ts';
import type { DueSecurityEvent, SecurityEvent, SecurityEventAttempt } from '../oauth-rows.ts';
import type { Database } from './database.ts';
import { withoutNul } from './free-text.ts';
import type { Queries } from './queries.ts';

type Raw<T extends SecurityEvent> = Omit<T, 'scopes'> & { scopes: string };

const COLUMNS =
  raw(`e.id, e.client_id AS "clientId", e.user_id AS "userId", e.scopes, e.state, e.attempts,
  e.due_at AS "dueAt", e.created_at AS "createdAt"`);

/** Of clients that have an address: consumers registered with one, add-ons whose descriptor has one. */
const HAS_ADDRESS = raw(`c.deleted_at IS NULL AND (c.events_uri IS NOT NULL OR
  (i.state IN ('enabled', 'disabled') AND i.is_told_of_revocations))`);
const GRANTS = raw(`mortise.oauth_grants g JOIN mortise.oauth_clients c ON c.id = g.client_id
  LEFT JOIN mortise.installations i ON i.id = c.installation_id`);

/**
 * Before the grant ends, whose row is locked. The newest says all: older ones about the same user need not be told any
 * more.
 */
export async function oweSecurityEvent(
  tx: Queries,
  grantId: string,
  left: string[],
  at: number,
): Promise<void> {
  await tx.run(sql`UPDATE mortise.security_events SET state = 'superseded'
    WHERE state = 'owed' AND (client_id, user_id) =
      (SELECT client_id, user_id FROM mortise.oauth_grants WHERE id = ${grantId} AND until IS NULL)`);
  await tx.run(sql`INSERT INTO mortise.security_events (id, client_id, user_id, scopes, state, due_at, created_at)
    SELECT g.id, g.client_id, g.user_id, ${JSON.stringify(left)}, 'owed', ${at}, ${at} FROM ${GRANTS}
    WHERE g.id = ${grantId} AND g.until IS NULL AND g.user_id IS NOT NULL AND ${HAS_ADDRESS}`);
}

/** Before all grants of the user end, whose rows are locked. */
export async function oweAllOfUser(tx: Queries, userId: string, at: number): Promise<void> {
  await tx.run(sql`UPDATE mortise.security_events SET state = 'superseded'
    WHERE state = 'owed' AND user_id = ${userId} AND client_id IN
      (SELECT client_id FROM mortise.oauth_grants WHERE user_id = ${userId} AND until IS NULL)`);
  await tx.run(sql`INSERT INTO mortise.security_events (id, client_id, user_id, scopes, state, due_at, created_at)
    SELECT g.id, g.client_id, g.user_id, '[]', 'owed', ${at}, ${at} FROM ${GRANTS}
    WHERE g.user_id = ${userId} AND g.until IS NULL AND ${HAS_ADDRESS}`);
}

/** The user grants anew: word of what ended before would be taken for the end of this. */
export async function supersedeSecurityEvents(
  tx: Queries,
  clientId: string,
  userId: string,
): Promise<void> {
  await tx.run(sql`UPDATE mortise.security_events SET state = 'superseded'
    WHERE state = 'owed' AND client_id = ${clientId} AND user_id = ${userId}`);
}

export function securityEventStore(db: Database): SecurityEventStore {
  return {
    async due(now, limit) {
      const rows = await db.all<Raw<DueSecurityEvent>>(sql`SELECT * FROM (
          SELECT DISTINCT ON (e.client_id) ${COLUMNS}, c.events_uri AS "eventsUri",
            c.installation_id AS "installationId"
          FROM mortise.security_events e JOIN mortise.oauth_clients c ON c.id = e.client_id
          WHERE e.state = 'owed' ORDER BY e.client_id, e.due_at, e.seq) first
        WHERE "dueAt" <= ${now} ORDER BY "dueAt" LIMIT ${limit}`);
      return rows.map(read);
    },
    async nextDueAt() {
      const row = await db.get<{ dueAt: number | null }>(
        sql`SELECT MIN(due_at) AS "dueAt" FROM mortise.security_events WHERE state = 'owed'`,
      );
      return row?.dueAt ?? undefined;
    },
    record: (id, result, attempt) =>
      db.transaction(async (tx) => {
        const change =
          result.state === 'owed' ? sql`due_at = ${result.dueAt}` : sql`state = ${result.state}`;
        await tx.run(sql`UPDATE mortise.security_events SET ${change}, attempts = attempts + 1
          WHERE id = ${id} AND state = 'owed'`);
        await tx.run(sql`INSERT INTO mortise.security_event_attempts
            (event_id, number, at, url, status, error_code, message, excerpt, duration_ms)
          VALUES (${id}, ${attempt.number}, ${attempt.at}, ${attempt.url}, ${attempt.status}, ${attempt.errorCode},
            ${withoutNul(attempt.message)}, ${withoutNul(attempt.excerpt)}, ${attempt.durationMs})`);
      }),
    async drop(id) {
      await db.run(sql`UPDATE mortise.security_events SET state = 'dropped'
        WHERE id = ${id} AND state = 'owed'`);
    },
    async list({ clientId, after, limit }) {
      const rows = await db.all<
        Raw<SecurityEvent>
      >(sql`SELECT ${COLUMNS} FROM mortise.security_events e
        WHERE (${clientId}::text IS NULL OR e.client_id = ${clientId})
          AND (${after}::text IS NULL OR e.seq < (SELECT seq FROM mortise.security_events WHERE id = ${after}))
        ORDER BY e.seq DESC LIMIT ${limit}`);
      return rows.map(read);
    },
    async find(id) {
      const row = await db.get<Raw<SecurityEvent>>(
        sql`SELECT ${COLUMNS} FROM mortise.security_events e WHERE e.id = ${id}`,
      );
      if (!row) return undefined;
      const log =
        await db.all<SecurityEventAttempt>(sql`SELECT number, at, url, status, error_code AS "errorCode",
          message, excerpt, duration_ms AS "durationMs"
        FROM mortise.security_event_attempts WHERE event_id = ${id} ORDER BY seq`);
      return { ...read(row), log };
    },
  };
}

function read<T extends SecurityEvent>(row: Raw<T>): T {
  return { ...row, scopes: JSON.parse(row.scopes) } as unknown as T;
}
