// Which store a database address means; nothing else asks.
import type { CopySource, CopyTarget } from './copied-tables.ts';
import type { AttemptStore } from './delivery-store.ts';
import type { StoreObserver } from './observer.ts';
import { openPostgresCopyTarget } from './postgres/copy-target.ts';
import { openPostgres, type PostgresOptions } from './postgres/open.ts';
import { openPostgresForAttempts } from './postgres/open-for-attempts.ts';
import { openSqliteCopySource } from './sqlite/copy-source.ts';
import { openSqlite } from './sqlite/open.ts';
import { openSqliteForAttempts } from './sqlite/open-for-attempts.ts';
import type { Store } from './store.ts';

export interface StoreOptions extends PostgresOptions {
  /**
   * Resolves when no thread of this process rests on what its gate saw before the call; on PostgreSQL every gate says
   * itself what it has seen.
   */
  settle?: () => Promise<void>;
}

/**
 * @param database `postgres://…`, the path of an SQLite file, or `:memory:`. PostgreSQL is connected to on first use, and
 *   every call says what is wrong as long as that fails; a file is opened here.
 * @throws database_unusable, database_newer
 */
export function openStore(
  database: string,
  observer?: StoreObserver,
  options: StoreOptions = {},
): Store {
  return isPostgresUrl(database)
    ? openPostgres(database, observer, options)
    : openSqlite(database, observer, options.settle);
}

/** For a thread that makes attempts, beside a store that is open already. @param lifetime of the share that they are for. */
export function openAttemptStore(database: string, lifetime?: string): AttemptStore {
  return isPostgresUrl(database)
    ? openPostgresForAttempts(database, lifetime)
    : openSqliteForAttempts(database);
}

/**
 * @param path of an SQLite file
 * @throws source_missing, source_in_use, source_unreadable, source_older, database_newer
 */
export function openCopySource(path: string): CopySource {
  return openSqliteCopySource(path);
}

/** @param url `postgres://…`; connected to with the first call */
export function openCopyTarget(url: string): CopyTarget {
  return openPostgresCopyTarget(url);
}

export function isPostgresUrl(database: string): boolean {
  return /^postgres(ql)?:/.test(database);
}
