// What a test asks a database behind the host's back: a file of SQLite or a database of PostgreSQL, in the same words.
import { readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import Sqlite from 'better-sqlite3';
import pg from 'pg';
import { isPostgresUrl } from '../../src/store/open-store.ts';

/** The rows of one statement; tables are named without a schema. */
export async function rowsInside<Row extends object>(
  database: string,
  sql: string,
): Promise<Row[]> {
  if (isPostgresUrl(database)) {
    return onPostgres(database, async (client) => (await client.query<Row>(sql)).rows);
  }
  const db = new Sqlite(database);
  try {
    return db.prepare<[], Row>(sql).all();
  } finally {
    db.close();
  }
}

/** Statements that give no rows. */
export async function changeInside(database: string, sql: string): Promise<void> {
  if (isPostgresUrl(database)) {
    await onPostgres(database, (client) => client.query(sql));
    return;
  }
  const db = new Sqlite(database);
  db.exec(sql);
  db.close();
}

/** Everything that is kept: the bytes of the files, or of every value. */
export async function bytesInside(database: string): Promise<Buffer> {
  if (isPostgresUrl(database)) return onPostgres(database, valuesOf);
  const folder = dirname(database);
  const files = readdirSync(folder).filter((name) => name.startsWith(basename(database)));
  return Buffer.concat(files.map((name) => readFileSync(join(folder, name))));
}

async function valuesOf(client: pg.Client): Promise<Buffer> {
  const { rows: tables } = await client.query<{ name: string }>(
    `SELECT quote_ident(table_name) AS name FROM information_schema.tables
     WHERE table_schema = 'mortise' AND table_type = 'BASE TABLE'`,
  );
  const values: Buffer[] = [];
  for (const { name } of tables) {
    const { rows } = await client.query({ text: `SELECT * FROM ${name}`, rowMode: 'array' });
    for (const value of rows.flat())
      values.push(Buffer.isBuffer(value) ? value : Buffer.from(`${value}\n`));
  }
  return Buffer.concat(values);
}

async function onPostgres<Answer>(
  url: string,
  work: (client: pg.Client) => Promise<Answer>,
): Promise<Answer> {
  const client = new pg.Client({ connectionString: url });
  client.setTypeParser(pg.types.builtins.INT8, Number);
  await client.connect();
  try {
    // Nothing is left behind in the session: a pooler may stand in between.
    await client.query('BEGIN; SET LOCAL search_path = mortise');
    const answer = await work(client);
    await client.query('COMMIT');
    return answer;
  } finally {
    await client.end();
  }
}
