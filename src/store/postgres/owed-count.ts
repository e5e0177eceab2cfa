// How many deliveries are owed in buckets, without those of which word is still on its way to the owner: both are
// written together, so that this changes only by what the owner itself has done. Reads an index over these buckets, once
// when they change hands.
import sql from 'sql-template-tag';
import type { Database } from './database.ts';

export async function countUntold(db: Database, buckets: number[]): Promise<number> {
  const row = await db.get<{ count: number }>(sql`SELECT
      (SELECT count(*) FROM mortise.deliveries WHERE bucket = ANY (${buckets}::smallint[]))
      - COALESCE((SELECT sum(count) FROM mortise.handed WHERE bucket = ANY (${buckets}::smallint[])), 0)::bigint AS count`);
  return row!.count;
}
