// Advisory locks of a transaction: they end with it, and so work behind a pooler. The first number says what is locked,
// and is Mortise's own among those of the product, which may use the same database; the second says which one.
import sql from 'sql-template-tag';
import type { Queries } from './queries.ts';

export const LOCKS = {
  migrations: 0x6d6f_7201,
  fanOut: 0x6d6f_7202,
  addonKey: 0x6d6f_7203,
  user: 0x6d6f_7204,
  days: 0x6d6f_7205,
  replays: 0x6d6f_7206,
  replica: 0x6d6f_7207,
  buckets: 0x6d6f_7208,
};

/** One handshake begins at a time for a key, in whatever context: who uses it is read, and then decided upon. */
export async function lockAddonKey(tx: Queries, addonKey: string): Promise<void> {
  await tx.run(sql`SELECT pg_advisory_xact_lock(${LOCKS.addonKey}, hashtext(${addonKey}))`);
}

/** What a user grants and their deactivation come one after the other: otherwise a grant could slip past it. */
export async function lockUser(tx: Queries, userId: string): Promise<void> {
  await tx.run(sql`SELECT pg_advisory_xact_lock(${LOCKS.user}, hashtext(${userId}))`);
}

/** Replays go on one chunk at a time: two may take the same delivery, and the second passes over what the first owes. */
export async function lockReplays(tx: Queries): Promise<void> {
  await tx.run(sql`SELECT pg_advisory_xact_lock(${LOCKS.replays}, 0)`);
}
