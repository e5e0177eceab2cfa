// Since when an installation is enabled or disabled: a log, each row in force from since to until.
import sql from 'sql-template-tag';
import type { Queries } from './queries.ts';

/** What it is already, it stays, since then. The installation is locked. */
export async function enterState(
  tx: Queries,
  id: string,
  state: 'enabled' | 'disabled',
  at: number,
): Promise<void> {
  await tx.run(sql`UPDATE mortise.installation_states SET until = ${at}
    WHERE installation_id = ${id} AND until IS NULL AND state <> ${state}`);
  await tx.run(sql`INSERT INTO mortise.installation_states (installation_id, state, since)
    SELECT ${id}, ${state}, ${at}
    WHERE NOT EXISTS (SELECT 1 FROM mortise.installation_states WHERE installation_id = ${id} AND until IS NULL)`);
}

export async function leaveState(tx: Queries, id: string, at: number): Promise<void> {
  await tx.run(sql`UPDATE mortise.installation_states SET until = ${at}
    WHERE installation_id = ${id} AND until IS NULL`);
}
