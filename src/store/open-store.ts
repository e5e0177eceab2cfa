// Which store a database address means; nothing else asks.
import { openPostgres } from './postgres/open.ts';
import { openPostgresForAttempts } from './postgres/open-for-attempts.ts';
import { openSqlite } from './sqlite/open.ts';
import { openSqliteForAttempts } from './sqlite/open-for-attempts.ts';
import type { AttemptStore, Store, StoreObserver } from './store.ts';

/**
 * @param database `postgres://…`, the path of an SQLite file, or `:memory:`. PostgreSQL is connected to on first use, and
 *   every call says what is wrong as long as that fails; a file is opened here.
 * @throws database_unusable, database_newer
 */
export function openStore(database: string, observer?: StoreObserver): Store {
  return isPostgresUrl(database)
    ? openPostgres(database, observer)
    : openSqlite(database, observer);
}

/** For a thread that makes attempts, beside a store that is open already. */
export function openAttemptStore(database: string): AttemptStore {
  return isPostgresUrl(database)
    ? openPostgresForAttempts(database)
    : openSqliteForAttempts(database);
}

export function isPostgresUrl(database: string): boolean {
  return /^postgres(ql)?:/.test(database);
}
