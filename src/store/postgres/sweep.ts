// Rows that nothing can ask for any more, in chunks: each is one short transaction, and others write in between. What
// somebody else is at is left to them. What is swept where it is written (codes, consents, sessions, nonces, assertions)
// is not swept here.
import sql, { raw, type Sql } from 'sql-template-tag';
import type { Swept } from '../engine-store.ts';
import { KEEP_ENDED_REPLAY_MS, KEEP_EXPIRED_MS } from '../sweep-rules.ts';
import type { Database } from './database.ts';
import type { Queries } from './queries.ts';

const ROWS_PER_CHUNK = 500;
/** Of one table; what is left goes the next time. */
const MOST_CHUNKS = 100;

type DeleteChunk = (tx: Queries, limit: number) => Promise<number>;

const EXPIRED: Record<string, DeleteChunk> = {
  event_keys: deleteWhere('event_keys', (limit) => sql`expires_at < ${limit}`),
  oauth_access_tokens: deleteWhere('oauth_access_tokens', (limit) => sql`expires_at < ${limit}`),
  oauth_refresh_tokens: deleteRefreshTokens,
};
const LOGGED: Record<string, DeleteChunk> = {
  handshakes: deleteWhere('handshakes', (limit) => sql`ended_at < ${limit}`),
  lifecycle_exchanges: deleteOldest('lifecycle_exchanges', (limit) => sql`at < ${limit}`),
  lifecycle_calls: deleteOldest(
    'lifecycle_calls',
    (limit) => sql`created_at < ${limit} AND state <> 'owed'`,
  ),
  security_event_attempts: deleteOldest('security_event_attempts', (limit) => sql`at < ${limit}`),
  security_events: deleteOldest(
    'security_events',
    (limit) => sql`created_at < ${limit} AND state <> 'owed'`,
  ),
  replays: deleteWhere(
    'replays',
    (limit) =>
      sql`ended_at < ${limit - KEEP_ENDED_REPLAY_MS} AND delivered + failed + dropped >= done`,
  ),
};

export async function sweep(db: Database, now: number, loggedSince: number): Promise<Swept> {
  const swept: Swept = {};
  await sweepAll(db, EXPIRED, now - KEEP_EXPIRED_MS, swept);
  await sweepAll(db, LOGGED, loggedSince, swept);
  return swept;
}

async function sweepAll(
  db: Database,
  tables: Record<string, DeleteChunk>,
  limit: number,
  swept: Swept,
): Promise<void> {
  for (const [table, deleteChunk] of Object.entries(tables)) {
    let rows = 0;
    for (let chunks = 0; chunks < MOST_CHUNKS; chunks++) {
      const gone = await db.transaction((tx) => deleteChunk(tx, limit));
      rows += gone;
      if (gone === 0) break;
    }
    if (rows > 0) swept[table] = rows;
  }
}

/** By the place of the row in the table, which nothing moves while it is locked. */
function deleteWhere(table: string, chosen: (limit: number) => Sql): DeleteChunk {
  const name = raw(`mortise.${table}`);
  return (tx, limit) =>
    tx.run(sql`DELETE FROM ${name} WHERE ctid = ANY (ARRAY (
      SELECT ctid FROM ${name} WHERE ${chosen(limit)} LIMIT ${ROWS_PER_CHUNK} FOR UPDATE SKIP LOCKED))`);
}

/** Of the oldest only, found by their number: what is chosen needs no index, and a long log is not read. */
function deleteOldest(table: string, chosen: (limit: number) => Sql): DeleteChunk {
  const name = raw(`mortise.${table}`);
  return (tx, limit) =>
    tx.run(sql`DELETE FROM ${name} WHERE seq = ANY (ARRAY (
      SELECT seq FROM (SELECT * FROM ${name} ORDER BY seq LIMIT ${ROWS_PER_CHUNK}) oldest WHERE ${chosen(limit)}))`);
}

/** A family goes with its last token: used ones stay until they expire, so that one that comes again is known. */
async function deleteRefreshTokens(tx: Queries, limit: number): Promise<number> {
  const gone = await tx.all<{ familyId: string }>(sql`DELETE FROM mortise.oauth_refresh_tokens
    WHERE token_hash = ANY (ARRAY (SELECT token_hash FROM mortise.oauth_refresh_tokens WHERE expires_at < ${limit}
      LIMIT ${ROWS_PER_CHUNK} FOR UPDATE SKIP LOCKED))
    RETURNING family_id AS "familyId"`);
  const families = [...new Set(gone.map(({ familyId }) => familyId))];
  await tx.run(sql`DELETE FROM mortise.oauth_refresh_families f WHERE id = ANY (${families}::text[])
    AND NOT EXISTS (SELECT 1 FROM mortise.oauth_refresh_tokens t WHERE t.family_id = f.id)`);
  return gone.length;
}
