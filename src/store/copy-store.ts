// Copies a store into an empty one, and compares the two.
import { createHash } from 'node:crypto';
import { MortiseError } from '../core/errors.ts';
import {
  type Cell,
  COPIED_TABLES,
  type CopiedTable,
  type CopySource,
  type CopyTarget,
} from './copied-tables.ts';

export interface CopiedCount {
  table: string;
  rows: number;
}

export interface CopyReport {
  /** So many rows of a part of a table are copied. */
  copied(part: string, rows: number): void;
  verified(table: CopiedCount): void;
}

/**
 * Goes on where it stopped before, and verifies all of it at the end.
 * @throws target_not_empty, target_finished, source_changed, copy_differs
 */
export async function copyStore(
  source: CopySource,
  target: CopyTarget,
  report: CopyReport,
): Promise<CopiedCount[]> {
  await target.begin(source.origin);
  for (const part of source.parts()) {
    const columns = source.columns(part.table);
    let { next, rows, isDone } = await target.progress(part);
    while (!isDone) {
      const chunk = source.read(part, next);
      await target.write(part, columns, chunk);
      rows += chunk.rows.length;
      next = chunk.next;
      isDone = next === null;
      report.copied(part.name, rows);
    }
  }
  const counts = await verify(source, target, report);
  source.checkUnchanged();
  await target.finish(source.lastEventNumber);
  return counts;
}

async function verify(
  source: CopySource,
  target: CopyTarget,
  report: CopyReport,
): Promise<CopiedCount[]> {
  const counts: CopiedCount[] = [];
  const wrong: string[] = [];
  for (const table of COPIED_TABLES) {
    const there = sumOf(source, table);
    const here = new RowSum();
    await target.readAll(table, source.columns(table), (rows) => here.add(rows));
    const count = { table: table.name, rows: there.count };
    if (here.count !== there.count) {
      wrong.push(`${table.name}: ${there.count} rows in the source, ${here.count} in the target`);
    } else if (here.digest !== there.digest) {
      wrong.push(`${table.name}: ${there.count} rows on both sides, and not the same ones`);
    } else report.verified(count);
    counts.push(count);
  }
  if (wrong.length > 0) throw differs(wrong);
  return counts;
}

function sumOf(source: CopySource, table: CopiedTable): RowSum {
  const sum = new RowSum();
  for (const part of source.parts()) {
    if (part.table !== table) continue;
    for (let from: string | null = null; ; ) {
      const { rows, next } = source.read(part, from);
      sum.add(rows);
      if (next === null) break;
      from = next;
    }
  }
  return sum;
}

/** Counts rows, and sums up a hash of each, so that their order does not matter and a row that is there twice does. */
class RowSum {
  count = 0;
  #sum = 0n;

  add(rows: Cell[][]): void {
    for (const row of rows) {
      const hash = createHash('sha256').update(canonical(row)).digest('hex');
      this.#sum = (this.#sum + BigInt(`0x${hash}`)) % 2n ** 256n;
    }
    this.count += rows.length;
  }

  get digest(): string {
    return this.#sum.toString(16);
  }
}

function canonical(row: Cell[]): string {
  return JSON.stringify(
    row.map((cell) => (Buffer.isBuffer(cell) ? { hex: cell.toString('hex') } : cell)),
  );
}

function differs(wrong: string[]): MortiseError {
  return new MortiseError({
    code: 'copy_differs',
    status: 409,
    message: `What was copied is not what is in the source: ${wrong.join('; ')}.`,
    hint: 'Somebody has written to one of them: a host that ran on the source since the copying began, or a hand in the target. Drop the schema mortise in the target, and copy anew.',
  });
}
