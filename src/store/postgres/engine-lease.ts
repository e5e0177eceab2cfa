// Which process does for all what one does alone: a row that runs out unless it is renewed.
import sql from 'sql-template-tag';
import { newId } from '../../core/ids.ts';
import type { EngineLock } from '../engine-store.ts';
import { now } from './clocks.ts';
import type { Database } from './database.ts';
import { lifetimeOf } from './lifetime.ts';
import { expiryOf, LEASE_MS, RenewedRight } from './renewed-right.ts';

/** @returns undefined if another process has it */
export async function tryLease(db: Database, leaseMs = LEASE_MS): Promise<EngineLock | undefined> {
  const expiry = expiryOf(leaseMs);
  // One that runs for longer than a lease does was written before the clock was set back.
  const isFree = sql`(l.holder IS NULL OR l.expires_at <= clock_timestamp() OR l.expires_at > ${expiry})`;
  const taken = await db.get(sql`SELECT 1 FROM mortise.engine_lease l WHERE NOT ${isFree}`);
  if (taken) return undefined;
  const holder = newId();
  const began = now();
  const row = await db.transaction(async (tx) => {
    const lifetime = await lifetimeOf(tx);
    const taken = await tx.get<{
      fence: number;
    }>(sql`INSERT INTO mortise.engine_lease AS l (holder, fence, expires_at)
      VALUES (${holder}, 1, ${expiry})
      ON CONFLICT (is_only) DO UPDATE SET holder = excluded.holder, fence = l.fence + 1, expires_at = ${expiry}
        WHERE ${isFree}
      RETURNING fence`);
    return taken && { fence: taken.fence, lifetime };
  });
  if (!row) return undefined;
  const isMine = sql`holder = ${holder} AND fence = ${row.fence}`;
  // Of what PostgreSQL has forgotten in a crash its holder knows nothing: the next begins anew.
  const renew = async () =>
    (await db.run(sql`UPDATE mortise.engine_lease SET expires_at = ${expiry} WHERE ${isMine}
      AND EXISTS (SELECT 1 FROM mortise.lifetime WHERE id = ${row.lifetime})`)) === 1;
  const right = new RenewedRight(renew, leaseMs, began);
  return {
    lost: right.lost,
    isHeld: () => right.isHeld(),
    async release() {
      right.end();
      // If that fails, it runs out.
      await db
        .run(sql`UPDATE mortise.engine_lease SET holder = NULL WHERE ${isMine}`)
        .catch(() => 0);
    },
  };
}
