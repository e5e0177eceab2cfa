// Which attempts ended deliveries of an installation, in the order of the deliveries. Written by hand, many at a time: an
// index would touch a page of its own for every installation that was told of something, with every commit.
import type { Database, Statement } from 'better-sqlite3';

/** So many may be missing, and are looked for among all attempts. */
const PER_BATCH = 1_024;

/** @param attempts the table of a day's attempts. */
export function endedTable(attempts: string): string {
  return `ended_${attempts}`;
}

/** The row without an installation says up to which attempt there is nothing missing. */
export function createEndedTable(attempts: string): string {
  return `CREATE TABLE IF NOT EXISTS ${endedTable(attempts)} (
    installation_id TEXT NOT NULL,
    delivery_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (installation_id, delivery_id, seq)
  ) WITHOUT ROWID`;
}

export interface EndedQuery {
  /** Beside the delivery's id. */
  columns: string;
  /** After `FROM attempts a`. */
  join?: string;
  /** Of the delivery's id. */
  range: (id: string) => string;
  conditions: string;
}

/** The attempts `a` of `@installation` that ended a delivery and fit. Both halves come in the order of `id`. */
export function selectEnded(attempts: string, query: EndedQuery): string {
  const { columns, join = '', range, conditions } = query;
  return `SELECT e.delivery_id AS id, ${columns} FROM ${endedTable(attempts)} e CROSS JOIN ${attempts} a ON a.seq = e.seq ${join}
      WHERE e.installation_id = @installation AND ${range('e.delivery_id')} AND ${conditions}
    UNION ALL
    SELECT a.delivery_id AS id, ${columns} FROM ${attempts} a NOT INDEXED ${join}
      WHERE a.seq > ${upTo(attempts)} AND a.installation_id = @installation AND a.outcome <> 'retry'
        AND ${range('a.delivery_id')} AND ${conditions}`;
}

function upTo(attempts: string): string {
  return `COALESCE((SELECT seq FROM ${endedTable(attempts)} WHERE installation_id = ''), 0)`;
}

export class EndedAttempts {
  readonly #read: Statement<[], number>;
  readonly #fill: Statement<{ from: number; to: number }>;
  readonly #forget: Statement;
  readonly #note: Statement<[number]>;
  #upTo = 0;

  constructor(db: Database, attempts: string) {
    const table = endedTable(attempts);
    this.#read = db.prepare<[], number>(`SELECT ${upTo(attempts)}`).pluck();
    // OR FAIL, since the transaction is rolled back anyway: a statement that undoes itself copies every page it touches.
    this.#fill = db.prepare(
      `INSERT OR FAIL INTO ${table} SELECT installation_id, delivery_id, seq FROM ${attempts}
       WHERE seq > @from AND seq <= @to AND outcome <> 'retry' ORDER BY installation_id, delivery_id, seq`,
    );
    this.#forget = db.prepare(`DELETE FROM ${table} WHERE installation_id = ''`);
    this.#note = db.prepare<[number]>(`INSERT INTO ${table} VALUES ('', '', ?)`);
  }

  /** Inside the transaction that inserted attempts, of which this is the last. */
  inserted(seq: number): void {
    if (seq - this.#upTo < PER_BATCH) return;
    // A transaction that was rolled back may have said more.
    const from = this.#read.get()!;
    const to = from + PER_BATCH;
    this.#upTo = from;
    if (to > seq) return;
    this.#fill.run({ from, to });
    this.#forget.run();
    this.#note.run(to);
    this.#upTo = to;
  }
}
