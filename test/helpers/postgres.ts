// A real PostgreSQL for tests: started once, on first use, from an npm package; or the one that
// MORTISE_TEST_POSTGRES_URL names, whose user may create databases. A test gets a database of its own, copied from one
// that is migrated already.
import {
  createDatabase,
  createTemplate,
  dropDatabase as drop,
  nameOf,
  queryOnce,
} from './postgres-databases.ts';
import { startPostgres } from './postgres-server.ts';
import { type Prepared, TEMPLATE_VARIABLES } from './prepared-database.ts';

interface Server {
  /** Of a database in which others are made. */
  url: string;
  stop(): Promise<void>;
}

let server: Promise<Server> | undefined;
const templates = new Map<Prepared, Promise<string>>();
const made: string[] = [];

/** @returns the URL of a new database with tables; all of them go when the tests end */
export function migratedDatabase(): Promise<string> {
  return copyOf('migrated');
}

/** The same, for a host that starts with SECRET_KEY. */
export function hostDatabase(): Promise<string> {
  return copyOf('host');
}

/** The same without tables. */
export function emptyDatabase(options = ''): Promise<string> {
  return make('template0', options);
}

/** Statements as the owner of all, each on its own connection: none stays open. */
export async function asOwner<T extends object>(
  sql: string,
  values: unknown[] = [],
  url?: string,
): Promise<T[]> {
  return queryOnce<T>(url ?? (await serverUrl()), sql, values);
}

export async function serverUrl(): Promise<string> {
  server ??= openServer();
  return (await server).url;
}

async function copyOf(how: Prepared): Promise<string> {
  return make(process.env[TEMPLATE_VARIABLES[how]] ?? (await ownTemplate(how)));
}

/** Where a single file runs; all files of a whole run share those of one-postgres.ts. */
function ownTemplate(how: Prepared): Promise<string> {
  const known = templates.get(how) ?? serverUrl().then((url) => createTemplate(url, how));
  if (!templates.has(how)) void known.then((name) => made.push(name));
  templates.set(how, known);
  return known;
}

async function make(from: string, options = ''): Promise<string> {
  const url = await createDatabase(await serverUrl(), from, options);
  made.push(nameOf(url));
  return url;
}

async function openServer(): Promise<Server> {
  const given = process.env.MORTISE_TEST_POSTGRES_URL;
  return given ? { url: given, stop: dropMade } : startPostgres();
}

async function dropMade(): Promise<void> {
  const url = await serverUrl();
  for (const name of made.splice(0)) await drop(url, name);
}

/** One that a test has done with: each takes some megabytes. */
export async function dropDatabase(url: string): Promise<void> {
  await drop(await serverUrl(), nameOf(url));
  made.splice(made.indexOf(nameOf(url)), 1);
}

after(async function () {
  // Those that are left are removed with the server's folder, file by file.
  this.timeout(120_000);
  const stopped = await server;
  await stopped?.stop();
  // The next file in this process begins anew.
  server = undefined;
  templates.clear();
});
