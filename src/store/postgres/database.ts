// One PostgreSQL database: a bounded pool, opened and migrated on first use, and transactions that are made again when
// PostgreSQL asks for that. Nothing is left behind in a session, so a pooler in transaction mode may stand in between.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Pool, PoolClient } from 'pg';
import { raw, type Sql } from 'sql-template-tag';
import { MortiseError } from '../../core/errors.ts';
import type { StoreObserver } from '../store.ts';
import { findGateChange, untilGatesHaveSeen } from './gate-changes.ts';
import { openPool, type PoolOptions } from './open-pool.ts';
import { type Queries, queriesOn } from './queries.ts';
import {
  asStoreError,
  hasLostConnection,
  hasUnstorableText,
  isWorthRepeating,
} from './store-errors.ts';

const MOST_ATTEMPTS = 5;
/** Of a pause before a transaction is made again, milliseconds; drawn from 0 to this, times the attempt. */
const PAUSE_MS = 20;
/** Of all its statements one moment is seen: what a view puts together fits together. */
const BEGIN_SNAPSHOT = 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY';
/**
 * What the database may be set to otherwise. A committed event must outlive a power cut; a lock is waited for as long
 * as SQLite's; and a process that is stopped inside a transaction must not hold its locks for ever.
 */
const BEGIN = `BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
  SET LOCAL synchronous_commit = on; SET LOCAL lock_timeout = '10s'; SET LOCAL idle_in_transaction_session_timeout = '30s'`;
const BEGIN_RELAXED = BEGIN.replace('synchronous_commit = on', 'synchronous_commit = off');

/**
 * When whoever wrote is answered. `committed`: at once, where nothing is lost if it is not on the disk after a power
 * loss, but done again: such a loss takes the last commits, and never one that others were built upon without them.
 * `durable`: when it is on the disk. `seen`: and nothing is sent any more that rests on what was there before.
 */
export type Until = 'committed' | 'durable' | 'seen';

/** In a statement that is a transaction by itself: it is durable, whatever the database is set to otherwise. */
export const DURABLE = raw(`set_config('synchronous_commit', 'on', true)`);

export class Database implements Queries {
  readonly #url: string;
  readonly #observer: StoreObserver | undefined;
  readonly #options: PoolOptions;
  #pool: Promise<Pool> | undefined;
  #isClosed = false;

  constructor(url: string, observer?: StoreObserver, options: PoolOptions = {}) {
    this.#url = url;
    this.#observer = observer;
    this.#options = options;
  }

  /** Opens and migrates it, unless that is done. What failed is tried anew by the next who asks. */
  open(): Promise<Pool> {
    if (this.#isClosed) throw closed();
    this.#pool ??= openPool(this.#url, this.#options).catch((error) => {
      this.#pool = undefined;
      throw error;
    });
    return this.#pool;
  }

  /** A statement by itself, which only reads. By a text that cannot be stored it finds nothing. */
  async all<T>(sql: Sql): Promise<T[]> {
    const pool = await this.open();
    try {
      return await queriesOn(pool).all<T>(sql);
    } catch (error) {
      if (hasUnstorableText(error)) return [];
      throw asStoreError(error);
    }
  }

  async get<T>(sql: Sql): Promise<T | undefined> {
    return (await this.all<T>(sql))[0];
  }

  /**
   * Reads by several statements as of one moment.
   * @throws store_busy, store_unreachable, store_unusable
   */
  async snapshot<T>(work: (tx: Queries) => Promise<T>): Promise<T> {
    const pool = await this.open();
    try {
      return await this.#once(pool, BEGIN_SNAPSHOT, work);
    } catch (error) {
      throw asStoreError(error);
    }
  }

  /** A transaction of one statement. */
  run(sql: Sql): Promise<number> {
    return this.transaction((tx) => tx.run(sql));
  }

  /**
   * Runs `work` inside a transaction. It may run again, on a deadlock for example: all it changes is in the database.
   * @throws store_busy, store_full, store_unreachable, store_unusable
   */
  async transaction<T>(work: (tx: Queries) => Promise<T>, until: Until = 'durable'): Promise<T> {
    if (until !== 'seen') return this.#transact(work, until);
    const { value, change } = await this.#transact(
      async (tx) => ({ value: await work(tx), change: await findGateChange(tx) }),
      'durable',
    );
    if (change !== undefined) await untilGatesHaveSeen(this, change);
    return value;
  }

  /**
   * A transaction of one statement in one round trip: the statement has DURABLE in it, and waits for no lock.
   * @param writes that share it.
   * @throws as `transaction`
   */
  async durably<T>(sql: Sql, writes: number): Promise<T[]> {
    return this.#repeatedly(async (pool) => {
      const began = performance.now();
      const rows = await queriesOn(pool).all<T>(sql);
      this.#observer?.committed(performance.now() - began, writes);
      return rows;
    });
  }

  #transact<T>(work: (tx: Queries) => Promise<T>, until: Until): Promise<T> {
    const begin = until === 'committed' ? BEGIN_RELAXED : BEGIN;
    return this.#repeatedly((pool) => this.#once(pool, begin, work, this.#observer));
  }

  async #repeatedly<T>(work: (pool: Pool) => Promise<T>): Promise<T> {
    const pool = await this.open();
    for (let attempt = 1; ; attempt++) {
      try {
        return await work(pool);
      } catch (error) {
        if (attempt === MOST_ATTEMPTS || !isWorthRepeating(error)) throw asStoreError(error);
        await sleep(Math.random() * PAUSE_MS * attempt);
      }
    }
  }

  async #once<T>(
    pool: Pool,
    begin: string,
    work: (tx: Queries) => Promise<T>,
    observer?: StoreObserver,
  ): Promise<T> {
    const client = await pool.connect();
    let broken = false;
    try {
      await client.query(begin);
      const value = await work(queriesOn(client));
      const began = performance.now();
      await commit(client);
      observer?.committed(performance.now() - began, 1);
      return value;
    } catch (error) {
      broken = hasLostConnection(error) || !(await isRolledBack(client));
      throw error;
    } finally {
      client.release(broken);
    }
  }

  /** After what is under way. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const pool = await this.#pool?.catch(() => undefined);
    await pool?.end();
  }
}

/** COMMIT of a transaction in which a statement has failed is answered with ROLLBACK, and is no error to PostgreSQL. */
async function commit(client: PoolClient): Promise<void> {
  const { command } = await client.query('COMMIT');
  if (command !== 'COMMIT') throw new Error('A statement had failed, so nothing was committed.');
}

async function isRolledBack(client: PoolClient): Promise<boolean> {
  try {
    await client.query('ROLLBACK');
    return true;
  } catch {
    return false;
  }
}

function closed(): MortiseError {
  return new MortiseError({
    code: 'store_closed',
    status: 503,
    message: 'The store is closed.',
    hint: 'Use the host before close(), or make another.',
  });
}
