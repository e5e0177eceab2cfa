// Rows that nothing can ask for any more, in chunks: each is one short transaction, and others write in between.
// What is swept where it is written (codes, consents, sessions, nonces, assertions) is not swept here.
import type { Database } from 'better-sqlite3';
import type { EngineStore, Swept } from '../engine-store.ts';
import { KEEP_ENDED_REPLAY_MS, KEEP_EXPIRED_MS } from '../sweep-rules.ts';
import type { Writer } from './writer.ts';

const ROWS_PER_CHUNK = 500;
/** Of one table; what is left goes the next time. */
const MOST_CHUNKS = 100;

export function sweepOperation(db: Database, writer: Writer): EngineStore['sweep'] {
  const deleteWhere = (table: string, key: string, chosen: string) => {
    const statement = db.prepare<[number]>(
      `DELETE FROM ${table} WHERE (${key}) IN (SELECT ${key} FROM ${table} WHERE ${chosen} LIMIT ${ROWS_PER_CHUNK})`,
    );
    return (limit: number) => statement.run(limit).changes;
  };
  /** Of the oldest only, found by their number: `of` needs no index, and a long log is not read. */
  const deleteOldest = (table: string, of: string) => {
    const statement = db.prepare<[number]>(
      `DELETE FROM ${table} WHERE seq IN (SELECT seq FROM
         (SELECT * FROM ${table} ORDER BY seq LIMIT ${ROWS_PER_CHUNK}) WHERE ${of})`,
    );
    return (limit: number) => statement.run(limit).changes;
  };
  const expiredRefresh = db
    .prepare<[number], string>(
      `DELETE FROM oauth_refresh_tokens WHERE token_hash IN
         (SELECT token_hash FROM oauth_refresh_tokens WHERE expires_at < ? LIMIT ${ROWS_PER_CHUNK})
       RETURNING family_id`,
    )
    .pluck();
  const emptyFamilies = db.prepare<[string]>(
    `DELETE FROM oauth_refresh_families WHERE id IN (SELECT value FROM json_each(?))
       AND NOT EXISTS (SELECT 1 FROM oauth_refresh_tokens t WHERE t.family_id = oauth_refresh_families.id)`,
  );
  /** A family goes with its last token: used ones stay until they expire, so that one that comes again is known. */
  const deleteRefresh = (limit: number) => {
    const families = expiredRefresh.all(limit);
    emptyFamilies.run(JSON.stringify([...new Set(families)]));
    return families.length;
  };
  const expired: Record<string, (limit: number) => number> = {
    event_keys: deleteWhere('event_keys', 'context, idempotency_key', 'expires_at < ?'),
    oauth_access_tokens: deleteWhere('oauth_access_tokens', 'token_hash', 'expires_at < ?'),
    oauth_refresh_tokens: deleteRefresh,
  };
  const logged: Record<string, (limit: number) => number> = {
    handshakes: deleteWhere('handshakes', 'id', 'ended_at < ?'),
    lifecycle_exchanges: deleteOldest('lifecycle_exchanges', 'at < ?'),
    lifecycle_calls: deleteOldest('lifecycle_calls', `created_at < ? AND state <> 'owed'`),
    security_event_attempts: deleteOldest('security_event_attempts', 'at < ?'),
    security_events: deleteOldest('security_events', `created_at < ? AND state <> 'owed'`),
    replays: deleteWhere(
      'replays',
      'id',
      `ended_at < ? - ${KEEP_ENDED_REPLAY_MS} AND delivered + failed + dropped >= done`,
    ),
  };

  async function sweepAll(
    tables: Record<string, (limit: number) => number>,
    limit: number,
    swept: Swept,
  ): Promise<void> {
    for (const [table, deleteChunk] of Object.entries(tables)) {
      let rows = 0;
      for (let chunks = 0; chunks < MOST_CHUNKS; chunks++) {
        const gone = await writer.write(() => deleteChunk(limit));
        rows += gone;
        if (gone === 0) break;
      }
      if (rows > 0) swept[table] = rows;
    }
  }

  return async (now, loggedSince) => {
    const swept: Swept = {};
    await sweepAll(expired, now - KEEP_EXPIRED_MS, swept);
    await sweepAll(logged, loggedSince, swept);
    return swept;
  };
}
