// How long the write-ahead log is. https://sqlite.org/pragma.html#pragma_wal_checkpoint
import type { Database } from 'better-sqlite3';

/** So many are copied in a few milliseconds. */
export const FEW_PAGES = 100;

/** Costs a few microseconds. */
export function pagesLeft(db: Database): { log: number; left: number } {
  const [{ log, checkpointed }] = db.pragma('wal_checkpoint(NOOP)') as [
    { log: number; checkpointed: number },
  ];
  return { log, left: log - checkpointed };
}
