// Tables by day: dropping a day's table frees its pages at once, where deleting its rows would rewrite them all.
import type { Database } from 'better-sqlite3';

const DAY_MS = 24 * 3_600_000;
/** What was written before there were days. */
const DAY_ZERO = '00000000';

/** What one kind of table holds, and the statements that are prepared on each of them. */
export interface DayTable<Statements> {
  /** `events`: its tables are `events_YYYYMMDD`, in UTC. */
  name: string;
  create: (table: string) => string;
  prepare: (db: Database, table: string) => Statements;
  /** Tables that go with it. */
  beside?: (table: string) => string[];
}

export class DayTables<Statements> {
  readonly #db: Database;
  readonly #kind: DayTable<Statements>;
  readonly #prepared = new Map<string, Statements>();
  /** Days whose table is committed: one made inside a transaction may yet be rolled back. */
  readonly #certain = new Set<string>();
  readonly #exists;
  readonly #list;

  constructor(db: Database, kind: DayTable<Statements>) {
    this.#db = db;
    this.#kind = kind;
    this.#exists = db.prepare<[string]>(
      `SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?`,
    );
    this.#list = db
      .prepare<[string], string>(
        `SELECT name FROM sqlite_schema WHERE type = 'table' AND name GLOB ? ORDER BY name DESC`,
      )
      .pluck();
  }

  /** Makes the tables of this day and the next, so that nobody waits for them. */
  makeAhead(now: number): void {
    for (const day of [dayOf(now), dayOf(now + DAY_MS)]) this.#make(day);
  }

  /** Days that an earlier version has made are as this one makes them. */
  complete(): void {
    for (const day of this.#days()) this.#db.exec(this.#kind.create(this.#nameOf(day)));
  }

  /** After that is committed. */
  confirm(now: number): void {
    for (const day of [dayOf(now), dayOf(now + DAY_MS)]) {
      if (!this.#db.inTransaction && this.#has(day)) this.#certain.add(day);
    }
  }

  /** Where to write. Made here if it is not there yet. */
  at(time: number): Statements {
    const day = dayOf(time);
    if (!this.#certain.has(day)) this.#make(day);
    return this.#statementsOf(day);
  }

  /** Where it was written; undefined if that day is past retention. */
  find(time: number): Statements | undefined {
    const day = dayOf(time);
    // Also one that was certain: another process may have dropped it since.
    return this.#has(day) ? this.#statementsOf(day) : undefined;
  }

  /** Where it was written if that was before there were days: also what is of a day that has a table since. */
  findInDayZero(): Statements | undefined {
    return this.#has(DAY_ZERO) ? this.#statementsOf(DAY_ZERO) : undefined;
  }

  /** To be used in the same transaction: another process may drop a day. */
  newestFirst(): Statements[] {
    const days = this.#days();
    // What another process has dropped.
    for (const day of this.#prepared.keys()) if (!days.includes(day)) this.#prepared.delete(day);
    return days.map((day) => this.#statementsOf(day));
  }

  /** Those in which something from `time` on may be. */
  newestFirstSince(time: number): Statements[] {
    const from = dayOf(time);
    const days = this.#days().filter((day) => day >= from || day === DAY_ZERO);
    return days.map((day) => this.#statementsOf(day));
  }

  /** Those of a time and after, oldest first, from a day on ('' = the first). Day 0 may hold any time. */
  from(time: number, firstDay: string): { day: string; statements: Statements }[] {
    const oldest = dayOf(time);
    return this.#list
      .all(`${this.#kind.name}_[0-9]*`)
      .map((name) => name.slice(-DAY_ZERO.length))
      .filter((day) => day >= firstDay && (day >= oldest || day === DAY_ZERO))
      .reverse()
      .map((day) => ({ day, statements: this.#statementsOf(day) }));
  }

  /** Days that ended before `time`, oldest first. Day 0 counts as over when every other has come since. */
  endedBefore(time: number): string[] {
    const limit = dayOf(time);
    const days = this.#days();
    const oldest = days.filter((day) => day !== DAY_ZERO).at(-1);
    const isZeroOver = oldest !== undefined && oldest < limit;
    return days.filter((day) => (day === DAY_ZERO ? isZeroOver : day < limit)).reverse();
  }

  drop(day: string): void {
    this.#certain.delete(day);
    this.#prepared.delete(day);
    const table = this.#nameOf(day);
    for (const name of [table, ...(this.#kind.beside?.(table) ?? [])]) {
      this.#db.exec(`DROP TABLE IF EXISTS ${name}`);
    }
  }

  /** Newest first. */
  #days(): string[] {
    return this.#list.all(`${this.#kind.name}_[0-9]*`).map((name) => name.slice(-DAY_ZERO.length));
  }

  #make(day: string): void {
    if (!this.#has(day)) this.#db.exec(this.#kind.create(this.#nameOf(day)));
  }

  #has(day: string): boolean {
    return this.#exists.get(this.#nameOf(day)) !== undefined;
  }

  #statementsOf(day: string): Statements {
    let statements = this.#prepared.get(day);
    if (!statements) {
      statements = this.#kind.prepare(this.#db, this.#nameOf(day));
      this.#prepared.set(day, statements);
    }
    return statements;
  }

  #nameOf(day: string): string {
    return `${this.#kind.name}_${day}`;
  }
}

/** The first moment after a day; 0 for day 0, which says nothing of when. */
export function endOf(day: string): number {
  if (day === DAY_ZERO) return 0;
  return Date.parse(`${day.slice(0, 4)}-${day.slice(4, 6)}-${day.slice(6)}`) + DAY_MS;
}

let lastDay = { from: 0, to: 0, name: '' };

/** `YYYYMMDD`, UTC. */
function dayOf(time: number): string {
  if (time < lastDay.from || time >= lastDay.to) {
    const from = Math.floor(time / DAY_MS) * DAY_MS;
    lastDay = {
      from,
      to: from + DAY_MS,
      name: new Date(from).toISOString().slice(0, 10).replaceAll('-', ''),
    };
  }
  return lastDay.name;
}
