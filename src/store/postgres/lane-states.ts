// How endpoints fare, kept while something is wrong with them.
import sql from 'sql-template-tag';
import { bucketOf } from '../../core/ids.ts';
import type { LaneState } from '../rows.ts';
import type { Queries } from './queries.ts';

/** @returns what it was before; undefined: it was well */
export async function clearLaneState(
  tx: Queries,
  installationId: string,
): Promise<Pick<LaneState, 'pausedAt'> | undefined> {
  return tx.get(sql`DELETE FROM mortise.lane_states
    WHERE bucket = ${bucketOf(installationId)} AND installation_id = ${installationId}
    RETURNING paused_at AS "pausedAt"`);
}
