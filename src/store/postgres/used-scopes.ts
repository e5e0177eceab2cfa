// Which scopes consumers really use, and when last.
import sql from 'sql-template-tag';
import { NOTED_EVERY_MS, Noted } from '../noted.ts';
import type { UsedScopeStore } from '../oauth-store.ts';
import type { UsedScope } from '../oauth1-rows.ts';
import type { Database } from './database.ts';

export function usedScopeStore(db: Database): UsedScopeStore {
  const noted = new Noted();
  return {
    note: (clientId, scope, at) =>
      noted.once(`${clientId} ${scope}`, at, async () => {
        await db.run(sql`INSERT INTO mortise.used_scopes AS u (client_id, scope, last_used_at)
          VALUES (${clientId}, ${scope}, ${at})
          ON CONFLICT (client_id, scope) DO UPDATE SET last_used_at = excluded.last_used_at
            WHERE u.last_used_at <= ${at - NOTED_EVERY_MS}`);
      }),
    list: (clientId) =>
      db.all<UsedScope>(sql`SELECT scope, last_used_at AS "lastUsedAt" FROM mortise.used_scopes
        WHERE client_id = ${clientId} ORDER BY scope`),
  };
}
