// A PostgreSQL database as what is copied into. Where it has come to is kept there, in the transactions that write rows;
// until it is finished, no host starts on it.
import sql, { join, raw } from 'sql-template-tag';
import { MortiseError } from '../../core/errors.ts';
import { type Cell, COPIED_TABLES, type CopiedTable, type CopyTarget } from '../copied-tables.ts';
import { columnTypes, derivedColumns } from './copied-columns.ts';
import { COPY_PROGRESS } from './copy-progress.ts';
import { Database } from './database.ts';
import { Days } from './days.ts';
import { LOCKS } from './locks.ts';
import type { Queries } from './queries.ts';

const ROWS_PER_FETCH = 1_000;

/** @param url `postgres://user:password@host:port/database`. Connected to and migrated with the first call. */
export function openPostgresCopyTarget(url: string): CopyTarget {
  const db = new Database(url, undefined, { isBeingFilled: true });
  const days = { events: new Days(db, 'events'), attempts: new Days(db, 'attempts') };
  return {
    begin: (origin) =>
      db.transaction(async (tx) => {
        await tx.run(sql`SELECT pg_advisory_xact_lock(${LOCKS.migrations}, 0)`);
        await tx.run(sql`CREATE TABLE IF NOT EXISTS ${COPY_PROGRESS} (part mortise.id PRIMARY KEY, origin text NOT NULL,
          next text, rows bigint NOT NULL, is_done boolean NOT NULL)`);
        const begun = await tx.get<{ origin: string; isDone: boolean }>(
          sql`SELECT origin, is_done AS "isDone" FROM ${COPY_PROGRESS} WHERE part = ''`,
        );
        if (begun?.isDone) throw finished();
        if (begun && begun.origin !== origin) throw ofAnotherOrigin();
        if (begun) return;
        const [table] = await tablesWithRows(tx);
        if (table !== undefined) throw notEmpty(table);
        await tx.run(
          sql`INSERT INTO ${COPY_PROGRESS} (part, origin, rows, is_done) VALUES ('', ${origin}, 0, false)`,
        );
      }),
    async progress({ name }) {
      const row = await db.get<{ next: string | null; rows: number; isDone: boolean }>(
        sql`SELECT next, rows, is_done AS "isDone" FROM ${COPY_PROGRESS} WHERE part = ${name}`,
      );
      return row ?? { next: null, rows: 0, isDone: false };
    },
    async write({ name, table }, columns, { rows, next }) {
      if (table.day) {
        const at = columns.indexOf(table.day);
        await days[table.name].ensure(rows.map((row) => row[at] as number));
      }
      await db.transaction(async (tx) => {
        if (rows.length > 0) await insert(tx, table, columns, rows);
        await tx.run(sql`INSERT INTO ${COPY_PROGRESS} AS p (part, origin, next, rows, is_done)
          SELECT ${name}, origin, ${next}, ${rows.length}::bigint, ${next === null} FROM ${COPY_PROGRESS} WHERE part = ''
          ON CONFLICT (part) DO UPDATE SET next = excluded.next, rows = p.rows + excluded.rows,
            is_done = excluded.is_done`);
      });
    },
    readAll: (table, columns, each) => db.snapshot((tx) => readAll(tx, table, columns, each)),
    finish: (lastEventNumber) =>
      db.transaction(async (tx) => {
        if (lastEventNumber > 0) {
          await tx.run(sql`SELECT setval('mortise.event_numbers', ${lastEventNumber})`);
        }
        for (const { name, key, rowid } of COPIED_TABLES) {
          if (rowid || key[0] === 'seq') await goOnAbove(tx, name);
        }
        await tx.run(sql`UPDATE ${COPY_PROGRESS} SET is_done = true WHERE part = ''`);
      }),
    close: () => db.close(),
  };
}

async function insert(
  tx: Queries,
  table: CopiedTable,
  columns: string[],
  rows: Cell[][],
): Promise<void> {
  const types = await columnTypes(tx, table.name);
  const derived = derivedColumns(table.name, columns, rows);
  const names = [...columns, ...derived.map(({ name }) => name)];
  const values = [
    ...columns.map((_, i) => rows.map((row) => row[i]!)),
    ...derived.map(({ cells }) => cells),
  ];
  const arrays = names.map((name, i) => {
    const type = types.get(name)!;
    const cells = type === 'boolean' ? values[i]!.map(asTruth) : values[i]!;
    return sql`${cells}::${raw(type)}[]`;
  });
  const list = raw(names.join(', '));
  // In the order in which they come: that is the order of the numbers they get here.
  await tx.run(sql`INSERT INTO mortise.${raw(table.name)} (${list}) OVERRIDING SYSTEM VALUE
    SELECT ${list} FROM unnest(${join(arrays)}) WITH ORDINALITY t (${list}, place) ORDER BY place`);
}

function asTruth(cell: unknown): boolean | null {
  return cell === null ? null : cell === 1;
}

async function readAll(
  tx: Queries,
  { name }: CopiedTable,
  columns: string[],
  each: (rows: Cell[][]) => void,
): Promise<void> {
  await tx.run(sql`DECLARE copied NO SCROLL CURSOR FOR
    SELECT ${raw(columns.join(', '))} FROM mortise.${raw(name)}`);
  for (;;) {
    const rows = await tx.all<Record<string, Cell | boolean>>(
      sql`FETCH ${raw(String(ROWS_PER_FETCH))} FROM copied`,
    );
    if (rows.length === 0) return;
    each(rows.map((row) => columns.map((column) => asCell(row[column]!))));
  }
}

function asCell(value: Cell | boolean): Cell {
  return typeof value === 'boolean' ? Number(value) : value;
}

/** Generated numbers of a table that has some. */
async function goOnAbove(tx: Queries, table: string): Promise<void> {
  const name = `mortise.${table}`;
  await tx.run(sql`SELECT setval(s.name, m.seq) FROM (SELECT max(seq) AS seq FROM ${raw(name)}) m,
    (SELECT pg_get_serial_sequence(${name}, 'seq') AS name) s WHERE m.seq IS NOT NULL AND s.name IS NOT NULL`);
}

async function tablesWithRows(tx: Queries): Promise<string[]> {
  const found: string[] = [];
  for (const { name } of COPIED_TABLES) {
    if (await tx.get(sql`SELECT 1 FROM mortise.${raw(name)} LIMIT 1`)) found.push(name);
  }
  return found;
}

function notEmpty(table: string): MortiseError {
  return new MortiseError({
    code: 'target_not_empty',
    status: 409,
    message: `The target holds rows already, in mortise.${table} for example, and they did not come from here.`,
    hint: 'Copy into a new database; or, if nobody needs what is there, DROP SCHEMA mortise CASCADE first.',
  });
}

function ofAnotherOrigin(): MortiseError {
  return new MortiseError({
    code: 'target_not_empty',
    status: 409,
    message: 'A copy of another database was begun in the target.',
    hint: 'Go on with that one; or, if nobody needs what is there, DROP SCHEMA mortise CASCADE first.',
  });
}

function finished(): MortiseError {
  return new MortiseError({
    code: 'target_finished',
    status: 409,
    message: 'The target holds a finished copy, which may have been used since; nothing was done.',
    hint: 'Start the host on it: MORTISE_DATABASE_URL=postgres://…',
  });
}
