// Who is told of an event goes by its number: those whose subscription began at a smaller one. SQLite's one writer makes
// that exact. Here many write at once, and a number taken early may be committed late; so what is it worth?
//
// - The number comes from a sequence, which is outside of transactions: whoever reads it sees every number that was
//   given, committed or not. A grant notes the last one given. An event whose publish() had returned before is at or
//   below it, and not told; one whose publish() is called after the grant's answer is above it, and told. Of two that
//   overlap, either may be first, and clients cannot know.
// - One thing more must hold: that fan-out and the noted number say the same, since explanations go by the number. An
//   event could be published and fanned out between the reading of the number and the commit of the subscription: it
//   would be above, and yet not told. So a change of subscriptions holds this lock from before it reads the number until
//   it is committed, alone; and fan-out holds it, shared with other fan-outs, while it reads subscriptions.
// - Publishing takes no lock: the product's own transaction may be long, and would stop every installation, and behind
//   that every other publisher.
// - Not by transaction ids and snapshots (xid8, pg_snapshot), though they know the order of commits: a database that is
//   dumped and restored begins to count them anew, and what is stored of the old ones would be wrong for ever.
import sql, { empty } from 'sql-template-tag';
import { LOCKS } from './locks.ts';
import type { Queries } from './queries.ts';
import { lockingReplica } from './replica-lock.ts';

/**
 * Before subscriptions, resources or webhooks of an installation change, and after its row is locked: fan-out locks no
 * such row, so nobody waits in a circle.
 * @returns the number of the last event that was published
 */
export async function lockFanOut(tx: Queries): Promise<number> {
  await tx.run(sql`SELECT pg_advisory_xact_lock(${LOCKS.fanOut}, 0)`);
  const row = await tx.get<{ seq: number }>(
    sql`SELECT CASE WHEN is_called THEN last_value ELSE 0 END AS seq FROM mortise.event_numbers`,
  );
  return row!.seq;
}

/** For fan-out, before it reads the outbox, and what it is its replica's share of (replica-lock.ts). */
export async function lockSubscriptions(tx: Queries, replica?: string): Promise<void> {
  const ofReplica = replica === undefined ? empty : sql`, ${lockingReplica(replica)}`;
  await tx.run(sql`SELECT pg_advisory_xact_lock_shared(${LOCKS.fanOut}, 0)${ofReplica}`);
}
