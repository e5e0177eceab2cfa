// One PostgreSQL database: a bounded pool, opened and migrated on first use, and transactions that are made again when
// PostgreSQL asks for that. Nothing is left behind in a session, so a pooler in transaction mode may stand in between.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Pool, PoolClient, QueryResult } from 'pg';
import { raw, type Sql } from 'sql-template-tag';
import { MortiseError } from '../../core/errors.ts';
import type { StoreObserver } from '../observer.ts';
import { FIND_GATE_CHANGE, untilGatesHaveSeen } from './gate-changes.ts';
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
const HAS_FAILED = '25P02';
/** In one round trip. */
const FIND_AND_COMMIT = `${FIND_GATE_CHANGE}; COMMIT`;

/**
 * When whoever wrote is answered. `committed`: at once, where nothing is lost if it is not on the disk after a power
 * loss, but done again: such a loss takes the last commits, and never one that others were built upon without them.
 * `durable`: when it is on the disk. `seen`: and nothing is sent any more that rests on what was there before; of an
 * installation, on what was there before changes that others have made of it, either.
 */
export type Until = 'committed' | 'durable' | 'seen' | { seen: string };

/** In a statement that is a transaction by itself: it is durable, whatever the database is set to otherwise. */
export const DURABLE = raw(`set_config('synchronous_commit', 'on', true)`);
/** Likewise: nothing is lost if it is not on the disk after a power loss. */
export const RELAXED = raw(`set_config('synchronous_commit', 'off', true)`);

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
      return (await this.#once(pool, { begin: BEGIN_SNAPSHOT, work, end: 'COMMIT' })).value;
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
  async transaction<T>(work: (tx: Queries) => Promise<T>, until: Until = 'seen'): Promise<T> {
    const isUnseen = until === 'committed' || until === 'durable';
    const begin = until === 'committed' ? BEGIN_RELAXED : BEGIN;
    const end = isUnseen ? 'COMMIT' : FIND_AND_COMMIT;
    const { value, xid } = await this.#repeatedly((pool) =>
      this.#once(pool, { begin, work, end }, this.#observer),
    );
    if (isUnseen) return value;
    const installationId = until === 'seen' ? undefined : until.seen;
    if (xid !== undefined || installationId !== undefined) {
      await untilGatesHaveSeen(this, { xid, installationId });
    }
    return value;
  }

  /**
   * A transaction of one statement in one round trip: a process that stands still meanwhile holds no lock.
   * @throws as `transaction`
   */
  alone<T>(sql: Sql): Promise<T[]> {
    return this.#repeatedly((pool) => queriesOn(pool).all<T>(sql));
  }

  /**
   * The same, for those who wrote: the statement has DURABLE in it, and waits for no lock.
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
    { begin, work, end }: { begin: string; work: (tx: Queries) => Promise<T>; end: string },
    observer?: StoreObserver,
  ): Promise<{ value: T; xid: string | undefined }> {
    const client = await pool.connect();
    let broken = false;
    try {
      await client.query(begin);
      const value = await work(queriesOn(client));
      const began = performance.now();
      const xid = await commit(client, end);
      observer?.committed(performance.now() - began, 1);
      return { value, xid };
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

/**
 * COMMIT of a transaction in which a statement has failed is answered with ROLLBACK, and is no error to PostgreSQL; any
 * other statement is.
 * @returns the transaction's id, if that was asked for and it has changed an epoch
 */
async function commit(client: PoolClient, end: string): Promise<string | undefined> {
  const asked = client.query(end) as Promise<QueryResult | QueryResult[]>;
  const results = await asked.catch((error) => {
    if (error.code !== HAS_FAILED) throw error;
    return [];
  });
  const [first, last = first] = [results].flat();
  if (last?.command !== 'COMMIT') {
    throw new Error('A statement had failed, so nothing was committed.');
  }
  return first!.rows[0]?.xid;
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
