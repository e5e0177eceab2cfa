// Which process runs the engine. The right to it is a row that runs out by the database's clock and is renewed in time;
// whoever holds it takes it for lost, by clocks of its own, before it has run out.
import sql, { raw, type Sql } from 'sql-template-tag';
import { newId } from '../../core/ids.ts';
import type { EngineLock } from '../store.ts';
import { elapsed, type Moment, now } from './clocks.ts';
import type { Database } from './database.ts';
import { lifetimeOf } from './lifetime.ts';

const LEASE_MS = 15_000;
/** Before the lease has run out nothing may begin that ends after it. */
const MARGIN_MS = 1_000;
const TICK_MS = 500;

/** @returns undefined if another process has it */
export async function tryLease(db: Database, leaseMs = LEASE_MS): Promise<EngineLock | undefined> {
  const expiry = expiryOf(leaseMs);
  // One that runs for longer than a lease does was written before the clock was set back.
  const isFree = sql`(l.holder IS NULL OR l.expires_at <= clock_timestamp() OR l.expires_at > ${expiry})`;
  const taken = await db.get(sql`SELECT 1 FROM mortise.engine_lease l WHERE NOT ${isFree}`);
  if (taken) return undefined;
  const holder = newId();
  const began = now();
  const row = await db.transaction(async (tx) => {
    const lifetime = await lifetimeOf(tx);
    const taken = await tx.get<{
      fence: number;
    }>(sql`INSERT INTO mortise.engine_lease AS l (holder, fence, expires_at)
      VALUES (${holder}, 1, ${expiry})
      ON CONFLICT (is_only) DO UPDATE SET holder = excluded.holder, fence = l.fence + 1, expires_at = ${expiry}
        WHERE ${isFree}
      RETURNING fence`);
    return taken && { fence: taken.fence, lifetime };
  });
  return row && new Lease(db, { holder, ...row }, leaseMs, began);
}

function expiryOf(leaseMs: number): Sql {
  return raw(`clock_timestamp() + interval '${leaseMs} milliseconds'`);
}

class Lease implements EngineLock {
  readonly lost: Promise<void>;
  readonly #db: Database;
  readonly #isMine: Sql;
  readonly #lifetime: string;
  readonly #leaseMs: number;
  readonly #timer: NodeJS.Timeout;
  /** When the last renewal that succeeded began. */
  #renewed: Moment;
  #isRenewing = false;
  #isOver = false;
  #lose!: () => void;

  constructor(
    db: Database,
    { holder, fence, lifetime }: { holder: string; fence: number; lifetime: string },
    leaseMs: number,
    began: Moment,
  ) {
    this.#db = db;
    this.#isMine = sql`holder = ${holder} AND fence = ${fence}`;
    this.#lifetime = lifetime;
    this.#leaseMs = leaseMs;
    this.#renewed = began;
    this.lost = new Promise((resolve) => {
      this.#lose = resolve;
    });
    this.#timer = setInterval(() => this.#tick(), TICK_MS).unref();
  }

  isHeld(): boolean {
    return !this.#isOver && elapsed(this.#renewed) < this.#leaseMs - MARGIN_MS;
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
    } else if (elapsed(this.#renewed) > this.#leaseMs / 3) void this.#renew();
  }

  /**
   * One that fails is tried again with the next tick. Of what PostgreSQL has forgotten in a crash the engine knows
   * nothing: whoever runs it next reads anew what is owed.
   */
  async #renew(): Promise<void> {
    if (this.#isRenewing) return;
    this.#isRenewing = true;
    try {
      const began = now();
      const renewed = await this.#db.run(
        sql`UPDATE mortise.engine_lease SET expires_at = ${expiryOf(this.#leaseMs)} WHERE ${this.#isMine}
          AND EXISTS (SELECT 1 FROM mortise.lifetime WHERE id = ${this.#lifetime})`,
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
