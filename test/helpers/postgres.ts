// A real PostgreSQL for tests: started once, on first use, from an npm package; or the one that
// MORTISE_TEST_POSTGRES_URL names, whose user may create databases. A test gets a database of its own, copied from one
// that is migrated already.
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import sql from 'sql-template-tag';
import { Database } from '../../src/store/postgres/database.ts';
import { startPostgres, urlWith } from './postgres-server.ts';

interface Server {
  /** Of a database in which others are made. */
  url: string;
  stop(): Promise<void>;
}

let server: Promise<Server> | undefined;
let template: Promise<string> | undefined;
const made: string[] = [];

/** @returns the URL of a new database; all of them go when the tests end */
export async function migratedDatabase(): Promise<string> {
  template ??= makeTemplate();
  return makeDatabase(await template);
}

/** The same without tables. */
export function emptyDatabase(options = ''): Promise<string> {
  return makeDatabase('template0', options);
}

/** Statements as the owner of all, each on its own connection: none stays open. */
export async function asOwner<T extends object>(
  sql: string,
  values: unknown[] = [],
  url?: string,
): Promise<T[]> {
  const client = new pg.Client({ connectionString: url ?? (await serverUrl()) });
  await client.connect();
  try {
    return (await client.query<T>(sql, values)).rows;
  } finally {
    await client.end();
  }
}

export async function serverUrl(): Promise<string> {
  server ??= openServer();
  return (await server).url;
}

async function makeDatabase(from: string, options = ''): Promise<string> {
  const name = `mortise_test_${randomBytes(6).toString('hex')}`;
  await asOwner(`CREATE DATABASE ${name} TEMPLATE ${from} ${options}`);
  made.push(name);
  return urlWith(await serverUrl(), (url) => {
    url.pathname = name;
  });
}

async function makeTemplate(): Promise<string> {
  const url = await makeDatabase('template0');
  const db = new Database(url);
  await db.open();
  // As where PostgreSQL has run for a while: nobody waits for gates of before.
  await db.run(
    sql`INSERT INTO mortise.lifetime (id, since) VALUES ('of the template', '-infinity')`,
  );
  await db.close();
  return new URL(url).pathname.slice(1);
}

async function openServer(): Promise<Server> {
  const given = process.env.MORTISE_TEST_POSTGRES_URL;
  return given ? { url: given, stop: dropMade } : startPostgres();
}

async function dropMade(): Promise<void> {
  for (const name of made.splice(0)) await asOwner(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
}

/** One that a test has done with: each takes some megabytes. */
export async function dropDatabase(url: string): Promise<void> {
  const name = new URL(url).pathname.slice(1);
  await asOwner(`DROP DATABASE ${name} WITH (FORCE)`);
  made.splice(made.indexOf(name), 1);
}

after(async function () {
  // Those that are left are removed with the server's folder, file by file.
  this.timeout(120_000);
  const stopped = await server;
  // The next file in this process begins anew.
  server = template = undefined;
  await stopped?.stop();
});
