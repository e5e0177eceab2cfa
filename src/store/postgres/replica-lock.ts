// When the last transaction of a replica is over that relied on what its share was. A fan-out leaves word for the owners
// of buckets that are not its own, and none for those that are. If it stands still before its COMMIT (a process that is
// stopped, a connection that hangs), its buckets may be taken meanwhile, and what it commits then nobody would hear of.
// So it holds this lock, shared with itself, from before it looks at its share; whoever takes buckets from a replica that
// is gone waits for the lock, and reads once more what is owed there. One that comes later finds its replica gone.
import sql, { type Sql } from 'sql-template-tag';
import type { Database } from './database.ts';
import { LOCKS } from './locks.ts';

export function lockingReplica(replica: string): Sql {
  return sql`pg_advisory_xact_lock_shared(${LOCKS.replica}, hashtext(${replica}))`;
}

/** @throws store_busy if that takes longer than a lock is waited for */
export async function untilReplicaIsThrough(db: Database, replica: string): Promise<void> {
  const locking = sql`SELECT pg_advisory_xact_lock(${LOCKS.replica}, hashtext(${replica}))`;
  await db.transaction((tx) => tx.run(locking), 'committed');
}
