// A database for a host: a file of SQLite, or where the environment says MORTISE_TEST_STORE=postgres a database of
// PostgreSQL.
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { prepareDatabase } from './prepared-database.ts';
import { temporaryFolder } from './temporary-folder.ts';

/** Loaded only where it is wanted: it brings a server, and a hook that stops it. */
const postgres =
  process.env.MORTISE_TEST_STORE === 'postgres' ? await import('./postgres.ts') : undefined;

let template: Promise<string> | undefined;

/** For hosts that come one after the other, or two beside each other. @param folder where a file would be */
export async function newDatabase(folder: string): Promise<string> {
  if (postgres) return postgres.hostDatabase();
  template ??= makeTemplate();
  const file = join(folder, 'mortise.db');
  copyFileSync(await template, file);
  return file;
}

/** What newDatabase() made, and nobody wants any more. A file goes with its folder. */
export async function dropDatabase(database: string): Promise<void> {
  await postgres?.dropDatabase(database);
}

async function makeTemplate(): Promise<string> {
  const file = join(temporaryFolder(), 'template.db');
  await prepareDatabase(file, 'host');
  return file;
}
