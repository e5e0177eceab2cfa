// How endpoints fare, kept while something is wrong with them.
import type { Database } from 'better-sqlite3';
import type { LaneState } from '../rows.ts';

export const LANE_STATE_COLUMNS = `l.failures, l.failing_since AS failingSince, l.probes, l.open_until AS openUntil,
  l.silent_until AS silentUntil, l.paused_at AS pausedAt`;

export function laneStateStatements(db: Database) {
  const upsert = db.prepare<LaneState>(
    `INSERT INTO lane_states (installation_id, failures, failing_since, probes, open_until, silent_until, paused_at)
     VALUES (@installationId, @failures, @failingSince, @probes, @openUntil, @silentUntil, @pausedAt)
     ON CONFLICT (installation_id) DO UPDATE SET failures = excluded.failures, failing_since = excluded.failing_since,
       probes = excluded.probes, open_until = excluded.open_until, silent_until = excluded.silent_until,
       paused_at = excluded.paused_at`,
  );
  const remove = db.prepare('DELETE FROM lane_states WHERE installation_id = ?');
  const find = db.prepare<[string], LaneState>(
    `SELECT l.installation_id AS installationId, ${LANE_STATE_COLUMNS} FROM lane_states l WHERE l.installation_id = ?`,
  );
  return {
    find: (installationId: string) => find.get(installationId),
    clear: (installationId: string) => void remove.run(installationId),
    write(state: LaneState): void {
      const isWell = state.failures === 0 && state.silentUntil === null && state.pausedAt === null;
      if (isWell) remove.run(state.installationId);
      else upsert.run(state);
    },
  };
}
