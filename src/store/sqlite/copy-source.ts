// An SQLite file as what is copied from: read only, as of one moment, while no host runs on it.
import { createHash } from 'node:crypto';
import { existsSync, realpathSync } from 'node:fs';
import Database from 'better-sqlite3';
import { MortiseError } from '../../core/errors.ts';
import { derivedIdsAt } from '../../core/ids.ts';
import {
  type Cell,
  type Chunk,
  COPIED_TABLES,
  type CopiedTable,
  type CopySource,
  type Part,
} from '../copied-tables.ts';
import { tryEngineLock } from './engine-lock.ts';
import { checkVersion } from './migrate.ts';

const ROWS_PER_CHUNK = 1_000;
const BYTES_PER_CHUNK = 4 * 1024 * 1024;

/**
 * @param path of the file
 * @throws source_missing, source_in_use, source_unsettled, source_unreadable, source_older, database_newer
 */
export function openSqliteCopySource(path: string): CopySource {
  if (!existsSync(path)) throw missing(path);
  const file = realpathSync(path);
  let db: Database.Database | undefined;
  let lock: { release(): void } | undefined;
  try {
    db = new Database(file, { readonly: true, fileMustExist: true });
    checkVersion(db, path);
    lock = tryEngineLock(file);
    if (!lock) throw inUse(path);
    if (isUnsettled(db)) throw unsettled(path);
    return copySource(db, lock);
  } catch (error) {
    db?.close();
    lock?.release();
    throw error instanceof MortiseError ? error : unreadable(path, error);
  }
}

function copySource(db: Database.Database, lock: { release(): void }): CopySource {
  const dataVersion = () => db.pragma('data_version', { simple: true });
  const opened = dataVersion();
  db.exec('BEGIN');
  const kids = db.prepare<[], string>('SELECT kid FROM install_keys ORDER BY kid').pluck().all();
  const lastEventNumber =
    db.prepare<[], number>(`SELECT seq FROM sqlite_sequence WHERE name = 'outbox'`).pluck().get() ??
    0;
  const columnsOf = (table: string) =>
    db.prepare<[string], string>('SELECT name FROM pragma_table_info(?)').pluck().all(table);

  function parts(): Part[] {
    return COPIED_TABLES.flatMap((table): Part[] =>
      table.day
        ? dayTables(db, table.name).map((name) => ({ name, table }))
        : [{ name: table.name, table }],
    );
  }

  function columns(table: CopiedTable): string[] {
    // One day's is as another's, and there is always today's.
    const name = parts().find((part) => part.table === table)!.name;
    return [...columnsOf(name), ...(table.rowid ? [table.rowid] : [])].filter(
      (column) => column !== table.renumbered,
    );
  }

  function read({ name, table }: Part, from: string | null): Chunk {
    const after: Cell[] = from === null ? [] : JSON.parse(from).map(readCell);
    const key = table.key.join(', ');
    const wanted = columns(table).map((column) => (column === table.rowid ? 'rowid' : column));
    const values = db
      .prepare<Cell[], Cell[]>(
        `SELECT ${[...table.key, ...wanted].join(', ')} FROM ${name}
         ${from === null ? '' : `WHERE (${key}) > (${table.key.map(() => '?').join(', ')})`}
         ORDER BY ${key} LIMIT ${ROWS_PER_CHUNK}`,
      )
      .raw();
    const rows: Cell[][] = [];
    let last: Cell[] | undefined;
    let bytes = 0;
    for (const row of values.iterate(...after)) {
      last = row.slice(0, table.key.length);
      rows.push(row.slice(table.key.length).map(storable));
      bytes += row.reduce<number>((sum, cell) => sum + sizeOf(cell), 0);
      if (bytes > BYTES_PER_CHUNK) break;
    }
    const isLast = rows.length < ROWS_PER_CHUNK && bytes <= BYTES_PER_CHUNK;
    return { rows, next: isLast ? null : JSON.stringify(last!.map(writeCell)) };
  }

  return {
    origin: createHash('sha256').update(kids.join('\n')).digest('hex'),
    lastEventNumber,
    parts,
    columns,
    read,
    checkUnchanged() {
      db.exec('COMMIT');
      if (dataVersion() !== opened) throw changed();
    },
    close() {
      db.close();
      lock.release();
    },
  };
}

/** Oldest first. */
function dayTables(db: Database.Database, kind: string): string[] {
  return db
    .prepare<[string], string>(
      `SELECT name FROM sqlite_schema WHERE type = 'table' AND name GLOB ? ORDER BY name`,
    )
    .pluck()
    .all(`${kind}_[0-9]*`);
}

/** Whether an event that is not done with was told to somebody: only a host on this file knows to whom. */
function isUnsettled(db: Database.Database): boolean {
  const oldest = db.prepare<[], number | null>('SELECT MIN(event_at) FROM outbox').pluck().get();
  if (typeof oldest !== 'number') return false;
  return dayTables(db, 'attempts').some((name) =>
    db
      .prepare(
        `SELECT 1 FROM ${name} WHERE delivery_id > ? AND event_id IN (
           SELECT event_id FROM outbox WHERE after_installation = '') LIMIT 1`,
      )
      .get(derivedIdsAt(oldest)[0]),
  );
}

/** PostgreSQL cannot keep U+0000; what it writes itself has U+FFFD there as well. */
function storable(cell: Cell): Cell {
  return typeof cell === 'string' ? cell.replaceAll('\u0000', '\uFFFD') : cell;
}

function sizeOf(cell: Cell): number {
  return typeof cell === 'string' || Buffer.isBuffer(cell) ? cell.length : 8;
}

function writeCell(cell: Cell): unknown {
  return Buffer.isBuffer(cell) ? { hex: cell.toString('hex') } : cell;
}

function readCell(cell: string | number | { hex: string }): Cell {
  return typeof cell === 'object' ? Buffer.from(cell.hex, 'hex') : cell;
}

function missing(path: string): MortiseError {
  return new MortiseError({
    code: 'source_missing',
    status: 404,
    message: `There is no file "${path}".`,
    hint: 'Give the file the host has used, as in MORTISE_DATABASE_URL: sqlite:PATH.',
  });
}

function inUse(path: string): MortiseError {
  return new MortiseError({
    code: 'source_in_use',
    status: 409,
    message: `A host runs on ${path}, and what it writes from now on would be left behind.`,
    hint: 'Stop every host that uses the file, then run this again.',
  });
}

function unsettled(path: string): MortiseError {
  return new MortiseError({
    code: 'source_unsettled',
    status: 409,
    message: `The host that ran on ${path} was killed while it sent webhooks, and a copy would send some of them twice.`,
    hint: 'Start a host on the file and stop it, then run this again.',
  });
}

function unreadable(path: string, cause: unknown): MortiseError {
  return new MortiseError({
    code: 'source_unreadable',
    status: 422,
    message: `${path} cannot be read as a database of Mortise: ${(cause as Error).message}.`,
    hint: 'Give the file the host has used, as in MORTISE_DATABASE_URL: sqlite:PATH.',
    cause,
  });
}

function changed(): MortiseError {
  return new MortiseError({
    code: 'source_changed',
    status: 409,
    message: 'The source was written to while it was copied, so the copy is not complete.',
    hint: 'Stop every host that uses the file, drop the schema mortise in the target, and copy anew.',
  });
}
