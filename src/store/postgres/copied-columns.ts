// What PostgreSQL's tables need of rows that are copied in beyond what those have.
import sql from 'sql-template-tag';
import { bucketOf } from '../../core/ids.ts';
import type { Cell } from '../copied-tables.ts';
import { descriptorColumns } from './handshakes.ts';
import type { Queries } from './queries.ts';

/** Of each column, as SQL names it. */
export async function columnTypes(tx: Queries, table: string): Promise<Map<string, string>> {
  const rows = await tx.all<{ name: string; type: string }>(
    sql`SELECT attname AS name, format_type(atttypid, NULL) AS type FROM pg_attribute
      WHERE attrelid = ${`mortise.${table}`}::regclass AND attnum > 0 AND NOT attisdropped`,
  );
  return new Map(rows.map(({ name, type }) => [name, type]));
}

type Derive = (cell: Cell) => unknown;

/** From which column, and how. */
const BUCKET = {
  name: 'bucket',
  from: 'installation_id',
  derive: (id: Cell) => bucketOf(id as string),
};
const DERIVED: Record<string, { name: string; from: string; derive: Derive }[]> = {
  lane_states: [BUCKET],
  recoveries: [BUCKET],
  installations: [
    {
      name: 'addon_name',
      from: 'descriptor',
      derive: (text) => descriptorColumns(text as string | null).addonName,
    },
    {
      name: 'is_told_of_revocations',
      from: 'descriptor',
      derive: (text) => Number(descriptorColumns(text as string | null).isToldOfRevocations),
    },
  ],
};

export function derivedColumns(
  table: string,
  columns: string[],
  rows: Cell[][],
): { name: string; cells: unknown[] }[] {
  return (DERIVED[table] ?? []).map(({ name, from, derive }) => {
    const at = columns.indexOf(from);
    return { name, cells: rows.map((row) => derive(row[at]!)) };
  });
}
