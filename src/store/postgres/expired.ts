// Rows that are swept where their like is written, some at a time.
import sql, { raw } from 'sql-template-tag';
import type { Queries } from './queries.ts';

const MOST_AT_ONCE = 100;

/** Those that somebody else is at are left to them: two who sweep never wait for each other. */
export async function deleteExpired(
  tx: Queries,
  table: string,
  key: string,
  before: number,
): Promise<void> {
  const name = raw(`mortise.${table}`);
  const column = raw(key);
  await tx.run(sql`DELETE FROM ${name} WHERE ${column} IN
    (SELECT ${column} FROM ${name} WHERE expires_at < ${before} LIMIT ${MOST_AT_ONCE} FOR UPDATE SKIP LOCKED)`);
}
