// Numbered plain SQL, forward only. PRAGMA user_version counts what has run; each file is one transaction.
import { readdirSync, readFileSync } from 'node:fs';
import type { Database } from 'better-sqlite3';
import { MortiseError } from '../../core/errors.ts';

const FOLDER = new URL('./migrations/', import.meta.url);

export interface Migration {
  number: number;
  name: string;
  sql: string;
}

export function readMigrations(): Migration[] {
  return readdirSync(FOLDER)
    .filter((name) => name.endsWith('.sql'))
    .sort()
    .map((name) => ({
      number: Number(name.slice(0, 4)),
      name,
      sql: readFileSync(new URL(name, FOLDER), 'utf8'),
    }));
}

/**
 * Brings a database up to date. Two processes may start on one file: each step is decided inside its
 * own write transaction, so each runs once.
 * @throws database_newer if a later Mortise has written it.
 */
export function migrate(db: Database, migrations = readMigrations()): void {
  const latest = migrations.at(-1)?.number ?? 0;
  for (const { number, sql } of migrations) {
    db.transaction(() => {
      if (versionOf(db) >= number) return;
      db.exec(sql);
      db.pragma(`user_version = ${number}`);
    }).immediate();
  }
  const version = versionOf(db);
  if (version > latest) {
    throw new MortiseError({
      code: 'database_newer',
      status: 500,
      message: `The database is at version ${version}; this Mortise knows versions up to ${latest}.`,
      hint: 'Start the newer Mortise that wrote it, or go back to a copy of the database from before.',
    });
  }
}

function versionOf(db: Database): number {
  return db.pragma('user_version', { simple: true }) as number;
}
