// What a change of an installation's epoch owes to the gates that stand before sends, in whatever process: that each has
// seen it before whoever made it is answered (gate.ts is the other side).
//
// A trigger writes each change with the id of its transaction. A gate reads the changes that its last snapshot did not
// see, and says what it has taken in by that snapshot: snapshots know the order of commits, which numbers of a sequence
// do not. A gate that cannot read, or is not heard of, takes itself for shut FRESH_MS after the beginning of what it
// read last: so nobody is waited for longer than that, and nothing depends on anybody's clock being right.
//
// A standby that takes the place of the server a gate has read from may lack the gate's row. It begins a lifetime of its
// own (lifetime.ts), in which all that change an epoch wait at first, until whoever has read before is shut.
import { setTimeout as sleep } from 'node:timers/promises';
import sql, { raw } from 'sql-template-tag';
import { lifetimeOf } from './lifetime.ts';
import type { Queries } from './queries.ts';

/** How old what a gate has read may be when something is sent, milliseconds. */
export const FRESH_MS = 150;
/** From then on every gate has seen a change, or is shut; with room for clocks that do not run alike. */
const LONGEST_WAIT_MS = 200;
const LONGEST_WAIT = raw(`interval '${LONGEST_WAIT_MS} milliseconds'`);
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

/**
 * A server whose lifetime has just begun may have taken the place of another, and not know a gate that has read there:
 * it counts as unseen until every such gate is shut.
 */
async function isUnseen(db: Queries, { xid, installationId }: GateChanges): Promise<boolean> {
  const row = await db.get<{ lifetime: string | null; isUnseen: boolean }>(
    sql`SELECT l.id AS lifetime, l.since IS NULL OR l.since > clock_timestamp() - ${LONGEST_WAIT} OR EXISTS (
        SELECT 1 FROM mortise.gates g WHERE g.lifetime IS DISTINCT FROM l.id
          OR EXISTS (SELECT 1 FROM mortise.gate_changes c
            WHERE (c.xid = ${xid ?? null}::xid8 OR c.installation_id = ${installationId ?? null})
              AND NOT pg_visible_in_snapshot(c.xid, g.seen))) AS "isUnseen"
      FROM (SELECT 1) one LEFT JOIN mortise.lifetime l ON true`,
  );
  if (row!.lifetime === null) await lifetimeOf(db);
  return row!.isUnseen;
}
