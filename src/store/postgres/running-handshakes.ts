// Handshakes under way, and ending them: by their own refusal, by a change that must not be undone by a late yes. The
// installation is locked.
import sql from 'sql-template-tag';
import { endGrant } from './grants.ts';
import type { Queries } from './queries.ts';

export interface RunningHandshake {
  id: string;
  installationId: string;
  grantId: string;
}

export async function endHandshake(
  tx: Queries,
  id: string,
  state: 'accepted' | 'refused',
  at: number,
): Promise<void> {
  await tx.run(
    sql`UPDATE mortise.handshakes SET state = ${state}, ended_at = ${at} WHERE id = ${id}`,
  );
}

async function endRefused(
  tx: Queries,
  handshake: Omit<RunningHandshake, 'installationId'>,
  at: number,
) {
  await endHandshake(tx, handshake.id, 'refused', at);
  await endGrant(tx, handshake.grantId, at, 'handshake_refused');
}

export async function refuseRunning(
  tx: Queries,
  handshake: RunningHandshake,
  at: number,
): Promise<void> {
  await endRefused(tx, handshake, at);
  await tx.run(sql`UPDATE mortise.installations SET call_holder = NULL, call_held_until = NULL, epoch = epoch + 1,
      updated_at = ${at}, state = CASE WHEN state = 'pending' THEN 'uninstalled' ELSE state END
    WHERE id = ${handshake.installationId}`);
}

/** The call itself may still be on its way: its hold stays until it is known to be over. */
export async function refuseAllOf(tx: Queries, installationId: string, at: number): Promise<void> {
  const running = await tx.all<
    Omit<RunningHandshake, 'installationId'>
  >(sql`SELECT id, grant_id AS "grantId"
    FROM mortise.handshakes WHERE installation_id = ${installationId} AND state = 'running'`);
  for (const handshake of running) await endRefused(tx, handshake, at);
}
