// A database for a host: a file of SQLite, or where the environment says MORTISE_TEST_STORE=postgres a database of
// PostgreSQL.
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { prepareDatabase, SECRET_KEY } from './prepared-database.ts';
import { temporaryFolder } from './temporary-folder.ts';

/** Whether hosts of tests are on PostgreSQL. */
export const ON_POSTGRES = process.env.MORTISE_TEST_STORE === 'postgres';

/** Loaded only where it is wanted: it brings a server, and a hook that stops it. */
const postgres = ON_POSTGRES ? await import('./postgres.ts') : undefined;

let template: Promise<string> | undefined;

/** For hosts that come one after the other, or two beside each other. @param folder where a file would be */
export async function newDatabase(folder: string): Promise<string> {
  if (postgres) return postgres.hostDatabase();
  template ??= makeTemplate();
  const file = join(folder, 'mortise.db');
  copyFileSync(await template, file);
  return file;
}

/** For a process: what it reads its keys and its database from, which newDatabase() has made. */
export function databaseEnvironment(database: string): Record<string, string> {
  return {
    MORTISE_DATABASE_URL: ON_POSTGRES ? database : `sqlite:${database}`,
    MORTISE_SECRET_KEY: SECRET_KEY,
  };
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
