// Partitions by day: dropping a day's partition frees its pages at once, where deleting its rows would leave them all to
// vacuum. They are made ahead, and where one is missing when something is to be written.
//
// A partition is made beside the table and then attached, and that waits for no reader and no writer, nor they for it.
// Dropping one needs the table alone for a moment: it is not waited for long, since all who publish would wait behind.
import sql, { raw } from 'sql-template-tag';
import type { Database } from './database.ts';
import { LOCKS } from './locks.ts';
import type { Queries } from './queries.ts';

const DAY_MS = 24 * 3_600_000;
const NAME_DIGITS = 8;
const DROP_TRIES = 20;
const LONGEST_PAUSE_MS = 250;

/** The table, and the column that says the day. */
const COLUMN = { events: 'created_at', attempts: 'at' } as const;

export type DayTable = keyof typeof COLUMN;

export class Days {
  readonly #db: Database;
  readonly #table: DayTable;
  /** `YYYYMMDD`, UTC. Another process may have dropped one since. */
  readonly #known = new Set<string>();

  constructor(db: Database, table: DayTable) {
    this.#db = db;
    this.#table = table;
  }

  /** Makes the partitions of these times, unless they are known to be there. @param times milliseconds since 1970. */
  async ensure(times: number[]): Promise<void> {
    const missing = [...new Set(times.map(dayOf))].filter((day) => !this.#known.has(day));
    if (missing.length === 0) return;
    await this.#db.transaction(async (tx) => {
      await tx.run(sql`SELECT pg_advisory_xact_lock(${LOCKS.days}, 0)`);
      const made = new Set(await this.#list(tx));
      for (const day of missing) if (!made.has(day)) await this.#make(tx, day);
    });
    for (const day of missing) this.#known.add(day);
  }

  /** Runs what writes rows of these times. It runs again if another process has dropped the day of one. */
  async writing<T>(times: number[], write: () => Promise<T>): Promise<T> {
    await this.ensure(times);
    try {
      return await write();
    } catch (error) {
      if (!isWithoutPartition(error)) throw error;
      this.#known.clear();
      await this.ensure(times);
      return write();
    }
  }

  /** Those of this time and of a day later, so that nobody waits for them. */
  makeAhead(now: number): Promise<void> {
    this.#known.clear();
    return this.ensure([now, now + DAY_MS]);
  }

  /** Days that ended before `time`, oldest first. */
  async endedBefore(time: number): Promise<string[]> {
    const limit = dayOf(time);
    return (await this.#list(this.#db)).filter((day) => day < limit);
  }

  /**
   * @param also what is written with it.
   * @returns false if others were at the table for too long; there is a next time
   */
  async drop(day: string, also?: (tx: Queries) => Promise<void>): Promise<boolean> {
    for (let tries = 0; tries < DROP_TRIES; tries++) {
      try {
        await this.#db.transaction(async (tx) => {
          await tx.run(sql`SET LOCAL lock_timeout = '100ms'`);
          await tx.run(raw(`DROP TABLE IF EXISTS ${this.#nameOf(day)}`));
          await also?.(tx);
        });
        this.#known.delete(day);
        return true;
      } catch (error) {
        if ((error as { code?: string }).code !== 'store_busy') throw error;
        await new Promise((resolve) => setTimeout(resolve, LONGEST_PAUSE_MS * Math.random()));
      }
    }
    return false;
  }

  async #list(tx: Queries): Promise<string[]> {
    const rows = await tx.all<{ name: string }>(sql`SELECT c.relname AS name
      FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
      WHERE i.inhparent = ${`mortise.${this.#table}`}::regclass ORDER BY c.relname`);
    return rows.map(({ name }) => name.slice(-NAME_DIGITS));
  }

  async #make(tx: Queries, day: string): Promise<void> {
    const table = `mortise.${this.#table}`;
    const [from, to] = [endOf(day) - DAY_MS, endOf(day)];
    const column = COLUMN[this.#table];
    const name = this.#nameOf(day);
    // With the check, attaching need not look at the rows.
    await tx.run(
      raw(
        `CREATE TABLE ${name} (LIKE ${table} INCLUDING DEFAULTS, CHECK (${column} >= ${from} AND ${column} < ${to}))`,
      ),
    );
    await tx.run(
      raw(`ALTER TABLE ${table} ATTACH PARTITION ${name} FOR VALUES FROM (${from}) TO (${to})`),
    );
  }

  #nameOf(day: string): string {
    return `mortise.${this.#table}_${day}`;
  }
}

/** The first moment after a day. */
export function endOf(day: string): number {
  return Date.parse(`${day.slice(0, 4)}-${day.slice(4, 6)}-${day.slice(6)}`) + DAY_MS;
}

/** `YYYYMMDD`, UTC. */
function dayOf(time: number): string {
  return new Date(time).toISOString().slice(0, 10).replaceAll('-', '');
}

/** A check violation that names no constraint: no partition takes the row. */
function isWithoutPartition(error: unknown): boolean {
  const { code, constraint } = error as { code?: string; constraint?: string };
  return code === '23514' && constraint === undefined;
}
