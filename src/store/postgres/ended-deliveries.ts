// How deliveries ended, out of the log: the last end of each, since one that was replayed has ended more than once.
// Every query walks an index in the order of ids and stops after so many rows, however few of them it is asked for:
// ids begin with the time of their event, so those it walks lie together on disk.
import sql, { empty, raw, type Sql } from 'sql-template-tag';
import type { Queries } from './queries.ts';

/** Ends of deliveries of these, between two ids that do not count themselves. */
export interface EndsBetween {
  above: string;
  below: string;
  installation: string | null;
  event: string | null;
}

const NEWEST_FIRST = raw('a.delivery_id DESC, a.seq DESC');
const OLDEST_FIRST = raw('a.delivery_id, a.seq DESC');

/**
 * A table of last ends, with all columns of the log, to stand in a FROM.
 * @param mostRows of the log that are read
 */
export function endsNewestFirst(between: EndsBetween, mostRows: number): Sql {
  return lastOf(between, NEWEST_FIRST, mostRows);
}

export function endsOldestFirst(between: EndsBetween, mostRows: number): Sql {
  return lastOf(between, OLDEST_FIRST, mostRows);
}

/**
 * The id at which such a table stopped, which it has seen all of that is asked for; undefined: it came to the end.
 * To be asked in the same snapshot or statement.
 */
export async function whereEndsStop(
  db: Queries,
  between: EndsBetween,
  mostRows: number,
  order: 'newest first' | 'oldest first',
): Promise<string | undefined> {
  const by = order === 'newest first' ? NEWEST_FIRST : OLDEST_FIRST;
  const row = await db.get<{ id: string }>(sql`SELECT a.delivery_id AS id FROM mortise.attempts a
    WHERE ${conditions(between)} ORDER BY ${by} OFFSET ${mostRows - 1} LIMIT 1`);
  return row?.id;
}

function lastOf(between: EndsBetween, order: Sql, mostRows: number): Sql {
  return sql`(SELECT DISTINCT ON (a.delivery_id) a.* FROM (
      SELECT a.* FROM mortise.attempts a WHERE ${conditions(between)} ORDER BY ${order} LIMIT ${mostRows}) a
    ORDER BY ${order})`;
}

/** Said only where they are asked: a condition that may be none keeps the planner from the index of installations. */
function conditions({ above, below, installation, event }: EndsBetween): Sql {
  return sql`a.outcome <> 'retry' AND a.delivery_id > ${above} AND a.delivery_id < ${below}
    ${installation === null ? empty : sql`AND a.installation_id = ${installation}`}
    ${event === null ? empty : sql`AND a.event_id = ${event}`}`;
}
