// Since when an installation is enabled or disabled: a log, each row in force from since to until.
import type { Database } from 'better-sqlite3';

export function installationStateStatements(db: Database) {
  const end = db.prepare(
    `UPDATE installation_states SET until = @at
     WHERE installation_id = @id AND until IS NULL AND state IS NOT @state`,
  );
  const begin = db.prepare(
    `INSERT INTO installation_states (installation_id, state, since)
     SELECT @id, @state, @at
     WHERE NOT EXISTS (SELECT 1 FROM installation_states WHERE installation_id = @id AND until IS NULL)`,
  );
  return {
    /** What it is already, it stays, since then. */
    enter(id: string, state: 'enabled' | 'disabled', at: number): void {
      end.run({ id, state, at });
      begin.run({ id, state, at });
    },
    leave(id: string, at: number): void {
      end.run({ id, state: null, at });
    },
  };
}
