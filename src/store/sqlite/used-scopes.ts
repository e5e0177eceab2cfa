// Which scopes consumers really use, and when last.
import type { Database } from 'better-sqlite3';
import { NOTED_EVERY_MS, Noted } from '../noted.ts';
import type { UsedScopeStore } from '../oauth-store.ts';
import type { UsedScope } from '../oauth1-rows.ts';
import type { Writer } from './writer.ts';

export function usedScopeStore(db: Database, writer: Writer): UsedScopeStore {
  const noted = new Noted();
  const note = db.prepare(
    `INSERT INTO used_scopes (client_id, scope, last_used_at) VALUES (?, ?, ?)
     ON CONFLICT DO UPDATE SET last_used_at = excluded.last_used_at
       WHERE last_used_at <= excluded.last_used_at - ${NOTED_EVERY_MS}`,
  );
  const list = db.prepare<[string], UsedScope>(
    'SELECT scope, last_used_at AS lastUsedAt FROM used_scopes WHERE client_id = ? ORDER BY scope',
  );
  return {
    note: (clientId, scope, at) =>
      noted.once(`${clientId} ${scope}`, at, () =>
        writer.write(() => void note.run(clientId, scope, at)),
      ),
    async list(clientId) {
      return list.all(clientId);
    },
  };
}
