// Word for whoever owns a bucket: of what others have made due there, or ended. Written in the transaction that does it,
// so that nobody has to look for it among all that is owed.
import sql, { type Sql } from 'sql-template-tag';
import { bucketOf } from '../../core/ids.ts';
import { isOwned } from './buckets.ts';
import type { Database } from './database.ts';
import type { OwnBuckets } from './own-buckets.ts';
import type { Queries } from './queries.ts';

const MOST_TAKEN = 500;

/** As a part of a statement that has made deliveries, which it calls `made`. @param open buckets of whoever makes them. */
export function handing(open: number[]): Sql {
  return sql`INSERT INTO mortise.handed (bucket, installation_id, count, delivery_ids)
    SELECT bucket, installation_id, count(*), array_agg(id::text) FROM made WHERE bucket <> ALL (${open}::smallint[])
    GROUP BY bucket, installation_id`;
}

/** @param installationIds one for each delivery. @param each 1: is owed more; -1: has ended. */
export async function tellOwners(
  tx: Queries,
  installationIds: string[],
  each: 1 | -1,
): Promise<void> {
  if (installationIds.length === 0) return;
  const counts = new Map<string, number>();
  for (const id of installationIds) counts.set(id, (counts.get(id) ?? 0) + each);
  const ids = [...counts.keys()];
  await tx.run(sql`INSERT INTO mortise.handed (bucket, installation_id, count)
    SELECT * FROM unnest(${ids.map(bucketOf)}::smallint[], ${ids}::text[], ${[...counts.values()]}::int[])`);
}

export interface Handed {
  installationId: string;
  count: number;
  deliveryIds: string[] | null;
}

/** Nobody else knows of them then. Some at a time, if there are many. */
export function takeHanded(db: Database, own: OwnBuckets): Promise<Handed[]> {
  return db.alone(sql`DELETE FROM mortise.handed WHERE ctid = ANY (ARRAY(
      SELECT ctid FROM mortise.handed WHERE ${isOwned(own)} LIMIT ${MOST_TAKEN}))
    RETURNING installation_id AS "installationId", count, delivery_ids AS "deliveryIds"`);
}
