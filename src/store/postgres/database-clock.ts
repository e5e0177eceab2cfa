// The time of the database, told by this process without asking: what replicas store and compare is of one clock, however
// wrong those of their machines are. It is the steady clock of this process and how far that is from the database's.
import sql from 'sql-template-tag';
import type { Clock } from '../../core/clock.ts';
import type { Queries } from './queries.ts';

/** The database's clock may be set, and another server may take its place. */
const MEASURE_EVERY_MS = 5_000;
/** The first connection is slow to answer. */
const FIRST_MEASURES = 3;
/** Between the machine's own two clocks: it has slept, or been set, and with it perhaps the database's. */
const JUMP_MS = 500;
/** How far two steady clocks may drift apart; NTP slews by no more. */
const DRIFT = 0.0005;

interface Measured {
  /** The database's clock less the steady one, milliseconds. */
  offset: number;
  /** It is no further from that than this: half of the time that the answer took. */
  within: number;
  /** By the steady clock. */
  at: number;
}

export class DatabaseClock implements Clock {
  readonly #db: Queries;
  #measured: Measured | undefined;
  #apart = Date.now() - performance.now();
  #first: Promise<void> | undefined;
  #measuring: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(db: Queries) {
    this.#db = db;
  }

  /** Before `ready`, the machine's own. */
  now = (): number => {
    const steady = performance.now();
    const wall = Date.now();
    if (!this.#measured) {
      this.ready().catch(() => undefined);
      return wall;
    }
    if (Math.abs(wall - steady - this.#apart) > JUMP_MS) {
      this.#apart = wall - steady;
      this.#measureSoon();
    }
    return Math.floor(steady + this.#measured.offset);
  };

  /** Resolves when it tells the database's time. @throws store_unreachable, database_… */
  ready = (): Promise<void> => {
    if (this.#measured) return Promise.resolve();
    this.#first ??= this.#begin().finally(() => {
      this.#first = undefined;
    });
    return this.#first;
  };

  close(): void {
    this.#isClosed = true;
    clearInterval(this.#timer);
  }

  async #begin(): Promise<void> {
    for (let i = 0; i < FIRST_MEASURES; i++) await this.#measure();
    if (this.#isClosed) return;
    this.#timer ??= setInterval(() => this.#measureSoon(), MEASURE_EVERY_MS).unref();
  }

  /** Nobody waits for it. Where it fails, what was measured last goes on. */
  #measureSoon(): void {
    if (this.#isClosed) return;
    this.#measuring ??= this.#measure()
      .catch(() => undefined)
      .finally(() => {
        this.#measuring = undefined;
      });
  }

  async #measure(): Promise<void> {
    const asked = performance.now();
    const row = await this.#db.get<{ time: number }>(
      sql`SELECT extract(epoch FROM clock_timestamp())::float8 * 1000 AS time`,
    );
    const at = performance.now();
    const within = (at - asked) / 2;
    this.#take({ offset: row!.time - asked - within, within, at });
  }

  /** The answer that came quickest counts, until it is too old; one that contradicts it says that a clock was set. */
  #take(measured: Measured): void {
    const known = this.#measured;
    const within = known ? known.within + (measured.at - known.at) * DRIFT : 0;
    const isSet = known && Math.abs(measured.offset - known.offset) > measured.within + within;
    if (!known || isSet || measured.within <= within) this.#measured = measured;
  }
}
