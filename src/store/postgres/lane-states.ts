// How endpoints fare, kept while something is wrong with them.
import sql, { raw } from 'sql-template-tag';
import { bucketOf } from '../../core/ids.ts';
import type { LaneState } from '../rows.ts';
import type { Queries } from './queries.ts';

export const LANE_STATE_COLUMNS = raw(`l.failures, l.failing_since AS "failingSince", l.probes,
  l.open_until AS "openUntil", l.silent_until AS "silentUntil", l.paused_at AS "pausedAt"`);

export function findLaneState(db: Queries, installationId: string): Promise<LaneState | undefined> {
  return db.get(sql`SELECT l.installation_id AS "installationId", ${LANE_STATE_COLUMNS} FROM mortise.lane_states l
    WHERE l.bucket = ${bucketOf(installationId)} AND l.installation_id = ${installationId}`);
}

/** @returns what it was before; undefined: it was well */
export async function clearLaneState(
  tx: Queries,
  installationId: string,
): Promise<Pick<LaneState, 'pausedAt'> | undefined> {
  return tx.get(sql`DELETE FROM mortise.lane_states
    WHERE bucket = ${bucketOf(installationId)} AND installation_id = ${installationId}
    RETURNING paused_at AS "pausedAt"`);
}

/** The last of each installation; one that is well has no row. */
export async function writeLaneStates(tx: Queries, states: LaneState[]): Promise<void> {
  const last = [...new Map(states.map((state) => [state.installationId, state])).values()];
  last.sort((a, b) => (a.installationId < b.installationId ? -1 : 1));
  const well = last.filter(isWell);
  const others = last.filter((state) => !isWell(state));
  if (well.length > 0) {
    await tx.run(sql`DELETE FROM mortise.lane_states l
      USING unnest(${bucketsOf(well)}::smallint[], ${idsOf(well)}::text[]) AS w (bucket, id)
      WHERE l.bucket = w.bucket AND l.installation_id = w.id`);
  }
  if (others.length === 0) return;
  const each = (name: keyof LaneState) => others.map((state) => state[name]);
  await tx.run(sql`INSERT INTO mortise.lane_states
      (bucket, installation_id, failures, failing_since, probes, open_until, silent_until, paused_at)
    SELECT * FROM unnest(${bucketsOf(others)}::smallint[], ${idsOf(others)}::text[], ${each('failures')}::bigint[],
      ${each('failingSince')}::bigint[], ${each('probes')}::bigint[], ${each('openUntil')}::bigint[],
      ${each('silentUntil')}::bigint[], ${each('pausedAt')}::bigint[])
    ON CONFLICT (bucket, installation_id) DO UPDATE SET failures = excluded.failures,
      failing_since = excluded.failing_since, probes = excluded.probes, open_until = excluded.open_until,
      silent_until = excluded.silent_until, paused_at = excluded.paused_at`);
}

function isWell({ failures, silentUntil, pausedAt }: LaneState): boolean {
  return failures === 0 && silentUntil === null && pausedAt === null;
}

function bucketsOf(states: LaneState[]): number[] {
  return states.map(({ installationId }) => bucketOf(installationId));
}

function idsOf(states: LaneState[]): string[] {
  return states.map(({ installationId }) => installationId);
}
