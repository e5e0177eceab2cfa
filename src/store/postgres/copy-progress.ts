// Where copying another store into this database has come to: a table that is there from its beginning on. The row
// without a name says whose copy it is, and whether it is whole.
import type { PoolClient } from 'pg';
import { raw } from 'sql-template-tag';
import { halfCopied } from './start-errors.ts';

export const COPY_PROGRESS = raw('mortise.migration_progress');

/** @throws database_half_copied */
export async function refuseHalfCopied(client: Pick<PoolClient, 'query'>): Promise<void> {
  const { rows: tables } = await client.query(
    `SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = 'mortise' AND c.relname = 'migration_progress'`,
  );
  if (tables.length === 0) return;
  const { rows } = await client.query(
    `SELECT 1 FROM ${COPY_PROGRESS.sql} WHERE part = '' AND NOT is_done`,
  );
  if (rows.length > 0) throw halfCopied();
}
