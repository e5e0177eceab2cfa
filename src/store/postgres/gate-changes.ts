// What a change of an installation's epoch owes to the gates that stand before sends, in whatever process: that each has
// seen it before whoever made it is answered (gate.ts is the other side).
//
// A trigger writes each change with the id of its transaction. A gate reads the changes that its last snapshot did not
// see, and says what it has taken in by that snapshot: snapshots know the order of commits, which numbers of a sequence
// do not. A gate that cannot read, or is not heard of, takes itself for shut FRESH_MS after the beginning of what it
// read last: so nobody is waited for longer than that, and nothing depends on anybody's clock being right.
import { setTimeout as sleep } from 'node:timers/promises';
import sql from 'sql-template-tag';
import type { Queries } from './queries.ts';

/** How old what a gate has read may be when something is sent, milliseconds. */
export const FRESH_MS = 250;
/** From then on every gate has seen a change, or is shut; with room for clocks that do not run alike. */
const LONGEST_WAIT_MS = 300;
const ASK_EVERY_MS = 10;

/** What gates have to see, and is committed. */
export interface GateChanges {
  /** The transaction's id if it has changed an epoch. */
  xid: string | undefined;
  /** Whatever others have changed of it, too. */
  installationId: string | undefined;
}

/** The transaction's id, as `xid`, if it has changed an epoch. */
export const FIND_GATE_CHANGE =
  'SELECT xid::text FROM mortise.gate_changes WHERE xid = pg_current_xact_id_if_assigned() LIMIT 1';

/** What was changed stands already: so nothing here makes this fail. */
export async function untilGatesHaveSeen(db: Queries, changes: GateChanges): Promise<void> {
  const end = performance.now() + LONGEST_WAIT_MS;
  while (performance.now() < end) {
    const asked = isUnseen(db, changes).catch(() => true);
    if (!(await Promise.race([asked, sleep(end - performance.now(), true)]))) return;
    await sleep(Math.min(ASK_EVERY_MS, Math.max(end - performance.now(), 0)));
  }
}

async function isUnseen(db: Queries, { xid, installationId }: GateChanges): Promise<boolean> {
  const unseen = await db.get(sql`SELECT 1 FROM mortise.gates g
    WHERE g.lifetime IS DISTINCT FROM (SELECT id FROM mortise.lifetime)
      OR EXISTS (SELECT 1 FROM mortise.gate_changes c
        WHERE (c.xid = ${xid ?? null}::xid8 OR c.installation_id = ${installationId ?? null})
          AND NOT pg_visible_in_snapshot(c.xid, g.seen)) LIMIT 1`);
  return unseen !== undefined;
}
