// Numbered plain SQL, forward only. The table mortise.migrations tells what has run; each file is one transaction.
import type { PoolClient, QueryConfig } from 'pg';
import { type Migration, readMigrations } from '../migrations.ts';
import { LOCKS } from './locks.ts';
import { migrationFailure, newerDatabase } from './start-errors.ts';

const MIGRATION_TIMEOUT_MS = 3_600_000;
const FOLDER = new URL('./migrations/', import.meta.url);

/**
 * Brings a database up to date. Replicas may start together: each step is decided under a lock, so each runs once. The
 * lock is the transaction's, not the session's: behind a pooler nobody knows whose session it is.
 * @throws database_newer if a later Mortise has written it; database_permission, database_unusable
 */
export async function migrate(
  client: Pick<PoolClient, 'query'>,
  url: string,
  migrations = readMigrations(FOLDER),
): Promise<void> {
  const latest = migrations.at(-1)?.number ?? 0;
  try {
    if ((await versionOf(client)) < latest) for (const each of migrations) await step(client, each);
    const version = await versionOf(client);
    if (version > latest) throw newerDatabase(version, latest);
  } catch (error) {
    throw migrationFailure(url, error);
  }
}

async function step(client: Pick<PoolClient, 'query'>, { number, sql }: Migration): Promise<void> {
  await client.query('BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE');
  try {
    await client.query(patiently(`SELECT pg_advisory_xact_lock(${LOCKS.migrations}, 0)`));
    if ((await versionOf(client)) < number) {
      if (number === 1) await client.query(FIRST);
      await client.query(patiently(sql));
      await client.query('INSERT INTO mortise.migrations (number) VALUES ($1)', [number]);
    }
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK').catch(() => undefined);
    throw error;
  }
}

/** Tables may be large, and another replica may be at them: that takes longer than anything else is waited for. */
function patiently(text: string): QueryConfig & { query_timeout: number } {
  return { text, query_timeout: MIGRATION_TIMEOUT_MS };
}

/** The schema may be there: made by whoever may make schemas, for a user who may not. */
const FIRST = `
  DO $$ BEGIN
    IF to_regnamespace('mortise') IS NULL THEN CREATE SCHEMA mortise; END IF;
  END $$;
  CREATE TABLE mortise.migrations (number integer PRIMARY KEY, at timestamptz NOT NULL DEFAULT now())`;

async function versionOf(client: Pick<PoolClient, 'query'>): Promise<number> {
  const { rows: found } = await client.query(
    `SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = 'mortise' AND c.relname = 'migrations'`,
  );
  if (found.length === 0) return 0;
  const { rows } = await client.query<{ number: number | null }>(
    'SELECT max(number) AS number FROM mortise.migrations',
  );
  return rows[0]!.number ?? 0;
}
