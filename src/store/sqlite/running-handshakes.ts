// Handshakes under way, and ending them: by their own refusal, by a change that must not be undone by a late yes.
import type { Database } from 'better-sqlite3';
import { grantStatements } from './grants.ts';

export interface RunningHandshake {
  id: string;
  installation_id: string;
  grant_id: string;
}

export function runningHandshakeStatements(db: Database) {
  const grants = grantStatements(db);
  const runningOf = db.prepare<[string], RunningHandshake>(
    `SELECT id, installation_id, grant_id FROM handshakes WHERE installation_id = ? AND state = 'running'`,
  );
  const end = db.prepare('UPDATE handshakes SET state = ?, ended_at = ? WHERE id = ?');
  const letGo = db.prepare(
    `UPDATE installations SET call_holder = NULL, call_held_until = NULL, epoch = epoch + 1, updated_at = @at,
       state = CASE WHEN state = 'pending' THEN 'uninstalled' ELSE state END
     WHERE id = @id`,
  );
  function endRefused(handshake: RunningHandshake, at: number): void {
    end.run('refused', at, handshake.id);
    grants.end(handshake.grant_id, at, 'handshake_refused');
  }
  function refuse(handshake: RunningHandshake, at: number): void {
    endRefused(handshake, at);
    letGo.run({ id: handshake.installation_id, at });
  }
  return {
    refuse,
    /** The call itself may still be on its way: its hold stays until it is known to be over. */
    refuseAllOf(installationId: string, at: number): void {
      for (const handshake of runningOf.all(installationId)) endRefused(handshake, at);
    },
    accepted(id: string, at: number): void {
      end.run('accepted', at, id);
    },
  };
}
