// What befalls the database behind the back of the one host on it, of either store.
import { statSync } from 'node:fs';
import Database from 'better-sqlite3';
import pg from 'pg';
import { isPostgresUrl } from '../../src/store/open-store.ts';
import { changeInside, rowsInside } from '../helpers/inside-database.ts';

/**
 * Another writer holds it: a file's only write lock; or what whoever makes an index takes, of the tables that are written
 * most.
 * @returns lets go of it
 */
export async function holdWrites(database: string): Promise<() => Promise<void>> {
  if (!isPostgresUrl(database)) {
    const other = new Database(database, { timeout: 2_000 });
    other.exec('BEGIN IMMEDIATE');
    return async () => {
      other.exec('ROLLBACK');
      other.close();
    };
  }
  const other = new pg.Client({ connectionString: database });
  await other.connect();
  await other.query('BEGIN; LOCK TABLE mortise.events, mortise.attempts IN SHARE MODE');
  return () => other.end();
}

/**
 * Of hosts that are dead for certain: the next need not wait until their leases are over, as it must where nobody knows.
 * How long that takes is in replicas.test.ts. A file knows no leases.
 */
export async function endLeases(database: string): Promise<void> {
  if (!isPostgresUrl(database)) return;
  await changeInside(
    database,
    'DELETE FROM mortise.replicas; UPDATE mortise.engine_lease SET holder = NULL',
  );
}

/** What was written to it of what is published; of transactions that were rolled back, too. */
export async function published(database: string): Promise<string> {
  if (!isPostgresUrl(database)) {
    return ['', '-wal'].map((suffix) => statSync(database + suffix).size).join(' and ');
  }
  const [row] = await rowsInside<{ rows: number; bytes: number }>(
    database,
    `SELECT (SELECT count(*) FROM events) AS rows, sum(pg_total_relation_size(oid))::float8 AS bytes FROM pg_class
     WHERE relnamespace = 'mortise'::regnamespace AND relkind = 'r' AND relname ~ '^(event|outbox|deliveries)'`,
  );
  return `${row!.rows} rows, ${row!.bytes} bytes`;
}

/** No event is left of which it is to be found out whom it is for. */
export async function isFannedOut(database: string): Promise<boolean> {
  return (await rowsInside(database, 'SELECT 1 FROM outbox LIMIT 1')).length === 0;
}
