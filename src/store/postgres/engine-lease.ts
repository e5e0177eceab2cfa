// Which process runs the engine. The right to it is a row that runs out by the database's clock and is renewed in time;
// whoever holds it takes it for lost, by clocks of its own, before it has run out.
import sql, { raw } from 'sql-template-tag';
import { newId } from '../../core/ids.ts';
import type { EngineLock } from '../store.ts';
import { elapsed, type Moment, now } from './clocks.ts';
import type { Database } from './database.ts';

const LEASE_MS = 15_000;
const RENEW_EVERY_MS = LEASE_MS / 3;
/** Before the lease has run out nothing may begin that ends after it. */
const MARGIN_MS = 1_000;
const TICK_MS = 500;
const EXPIRY = raw(`clock_timestamp() + interval '${LEASE_MS} milliseconds'`);
/** One that runs for longer than a lease does was written before the clock was set back. */
const IS_FREE = raw(
  `(l.holder IS NULL OR l.expires_at <= clock_timestamp() OR l.expires_at > ${EXPIRY.sql})`,
);

/** @returns undefined if another process has it */
export async function tryLease(db: Database): Promise<EngineLock | undefined> {
  const taken = await db.get(sql`SELECT 1 FROM mortise.engine_lease l WHERE NOT ${IS_FREE}`);
  if (taken) return undefined;
  const holder = newId();
  const began = now();
  const row = await db.transaction((tx) =>
    tx.get<{ fence: number }>(sql`INSERT INTO mortise.engine_lease AS l (holder, fence, expires_at)
      VALUES (${holder}, 1, ${EXPIRY})
      ON CONFLICT (is_only) DO UPDATE SET holder = excluded.holder, fence = l.fence + 1, expires_at = ${EXPIRY}
        WHERE ${IS_FREE}
      RETURNING fence`),
  );
  return row && new Lease(db, holder, row.fence, began);
}

class Lease implements EngineLock {
  readonly lost: Promise<void>;
  readonly #db: Database;
  readonly #isMine;
  readonly #timer: NodeJS.Timeout;
  /** When the last renewal that succeeded began. */
  #renewed: Moment;
  #isRenewing = false;
  #isOver = false;
  #lose!: () => void;

  constructor(db: Database, holder: string, fence: number, began: Moment) {
    this.#db = db;
    this.#isMine = sql`holder = ${holder} AND fence = ${fence}`;
    this.#renewed = began;
    this.lost = new Promise((resolve) => {
      this.#lose = resolve;
    });
    this.#timer = setInterval(() => this.#tick(), TICK_MS).unref();
  }

  isHeld(): boolean {
    return !this.#isOver && elapsed(this.#renewed) < LEASE_MS - MARGIN_MS;
  }

  async release(): Promise<void> {
    this.#end();
    // If that fails, it runs out.
    await this.#db
      .run(sql`UPDATE mortise.engine_lease SET holder = NULL WHERE ${this.#isMine}`)
      .catch(() => 0);
  }

  #tick(): void {
    if (!this.isHeld()) {
      this.#end();
      this.#lose();
    } else if (elapsed(this.#renewed) >= RENEW_EVERY_MS) void this.#renew();
  }

  /** One that fails is tried again with the next tick. */
  async #renew(): Promise<void> {
    if (this.#isRenewing) return;
    this.#isRenewing = true;
    try {
      const began = now();
      const renewed = await this.#db.run(
        sql`UPDATE mortise.engine_lease SET expires_at = ${EXPIRY} WHERE ${this.#isMine}`,
      );
      if (renewed === 1) this.#renewed = began;
      else {
        this.#end();
        this.#lose();
      }
    } catch {
      // The lease runs on until it is over.
    } finally {
      this.#isRenewing = false;
    }
  }

  #end(): void {
    this.#isOver = true;
    clearInterval(this.#timer);
  }
}
