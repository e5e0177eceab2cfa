// Which scopes consumers really use, and when last.
import type { Database } from 'better-sqlite3';
import type { UsedScope } from '../oauth1-rows.ts';
import type { UsedScopeStore } from '../store.ts';
import type { Writer } from './writer.ts';

const NOTED_EVERY_MS = 60_000;

export function usedScopeStore(db: Database, writer: Writer): UsedScopeStore {
  const isNoted = db.prepare<[string, string, number]>(
    `SELECT 1 FROM used_scopes WHERE client_id = ? AND scope = ? AND last_used_at > ? - ${NOTED_EVERY_MS}`,
  );
  const note = db.prepare(
    `INSERT INTO used_scopes (client_id, scope, last_used_at) VALUES (?, ?, ?)
     ON CONFLICT DO UPDATE SET last_used_at = max(last_used_at, excluded.last_used_at)`,
  );
  const list = db.prepare<[string], UsedScope>(
    'SELECT scope, last_used_at AS lastUsedAt FROM used_scopes WHERE client_id = ? ORDER BY scope',
  );
  return {
    async note(clientId, scope, at) {
      if (isNoted.get(clientId, scope, at)) return;
      await writer.write(() => void note.run(clientId, scope, at));
    },
    async list(clientId) {
      return list.all(clientId);
    },
  };
}
