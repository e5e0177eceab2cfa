// Rows that are swept where their like is written, some at a time.
import sql, { raw } from 'sql-template-tag';
import type { Queries } from './queries.ts';

const MOST_AT_ONCE = 100;

/**
 * Those that somebody else is at are left to them: two who sweep never wait for each other.
 * @param key columns of the primary key
 * @param time column that is compared
 */
export async function deleteExpired(
  tx: Queries,
  table: string,
  key: string,
  before: number,
  time = 'expires_at',
): Promise<void> {
  const name = raw(`mortise.${table}`);
  const columns = raw(key);
  await tx.run(sql`DELETE FROM ${name} WHERE (${columns}) IN
    (SELECT ${columns} FROM ${name} WHERE ${raw(time)} < ${before} LIMIT ${MOST_AT_ONCE} FOR UPDATE SKIP LOCKED)`);
}
