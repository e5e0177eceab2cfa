// Databases of a PostgreSQL server, as the owner of all of them.
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { urlWith } from './postgres-server.ts';
import { type Prepared, prepareDatabase } from './prepared-database.ts';

/** Statements on a connection of their own: none stays open. */
export async function queryOnce<T extends object>(
  url: string,
  sql: string,
  values: unknown[] = [],
): Promise<T[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<T>(sql, values)).rows;
  } finally {
    await client.end();
  }
}

/** @param from the database it is a copy of. @returns its URL */
export async function createDatabase(server: string, from: string, options = ''): Promise<string> {
  const name = `mortise_test_${randomBytes(6).toString('hex')}`;
  await queryOnce(server, `CREATE DATABASE ${name} TEMPLATE ${from} ${options}`);
  return urlWith(server, (url) => {
    url.pathname = name;
  });
}

/** @returns its name */
export async function createTemplate(server: string, how: Prepared): Promise<string> {
  const url = await createDatabase(server, 'template0');
  await prepareDatabase(url, how);
  // As where PostgreSQL has run for a while: nobody waits for gates of before.
  await queryOnce(
    url,
    `INSERT INTO mortise.lifetime (id, since) VALUES ('of the template', '-infinity')
     ON CONFLICT (is_only) DO UPDATE SET since = excluded.since`,
  );
  return nameOf(url);
}

export async function dropDatabase(server: string, name: string): Promise<void> {
  await queryOnce(server, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
}

export function nameOf(url: string): string {
  return new URL(url).pathname.slice(1);
}
