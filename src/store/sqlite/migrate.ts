// Numbered plain SQL, forward only. PRAGMA user_version counts what has run; each file is one transaction.
import type { Database } from 'better-sqlite3';
import { MortiseError } from '../../core/errors.ts';
import { readMigrations } from '../migrations.ts';

const FOLDER = new URL('./migrations/', import.meta.url);

/**
 * Brings a database up to date. Two processes may start on one file: each step is decided inside its
 * own write transaction, so each runs once.
 * @throws database_newer if a later Mortise has written it.
 */
export function migrate(db: Database, migrations = readMigrations(FOLDER)): void {
  const latest = migrations.at(-1)?.number ?? 0;
  for (const { number, sql } of migrations) {
    db.transaction(() => {
      if (versionOf(db) >= number) return;
      db.exec(sql);
      db.pragma(`user_version = ${number}`);
    }).immediate();
  }
  const version = versionOf(db);
  if (version > latest) throw newer(version, latest);
}

/**
 * For who only reads.
 * @throws source_older, database_newer
 */
export function checkVersion(db: Database, path: string): void {
  const latest = readMigrations(FOLDER).at(-1)!.number;
  const version = versionOf(db);
  if (version > latest) throw newer(version, latest);
  if (version === latest) return;
  throw new MortiseError({
    code: 'source_older',
    status: 409,
    message:
      version === 0
        ? `${path} has no tables of Mortise in it.`
        : `${path} is at version ${version}, from before this Mortise, which copies version ${latest}.`,
    hint: `Start this Mortise on it once (mortise serve --database sqlite:${path}), which brings it up to date; stop it, then run this again.`,
  });
}

function newer(version: number, latest: number): MortiseError {
  return new MortiseError({
    code: 'database_newer',
    status: 500,
    message: `The database is at version ${version}; this Mortise knows versions up to ${latest}.`,
    hint: 'Start the newer Mortise that wrote it, or go back to a copy of the database from before.',
  });
}

function versionOf(db: Database): number {
  return db.pragma('user_version', { simple: true }) as number;
}
