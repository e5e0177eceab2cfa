// One PostgreSQL database: a bounded pool, opened and migrated on first use, and transactions that are made again when
// PostgreSQL asks for that. Nothing is left behind in a session, so a pooler in transaction mode may stand in between.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Pool, PoolClient } from 'pg';
import type { Sql } from 'sql-template-tag';
import { MortiseError } from '../../core/errors.ts';
import type { StoreObserver } from '../store.ts';
import { openPool } from './open-pool.ts';
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
/**
 * What the database may be set to otherwise. A committed event must outlive a power cut; a lock is waited for as long
 * as SQLite's; and a process that is stopped inside a transaction must not hold its locks for ever.
 */
const BEGIN = `BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
  SET LOCAL synchronous_commit = on; SET LOCAL lock_timeout = '10s'; SET LOCAL idle_in_transaction_session_timeout = '30s'`;

export class Database implements Queries {
  readonly #url: string;
  readonly #observer: StoreObserver | undefined;
  #pool: Promise<Pool> | undefined;
  #isClosed = false;

  constructor(url: string, observer?: StoreObserver) {
    this.#url = url;
    this.#observer = observer;
  }

  /** Opens and migrates it, unless that is done. What failed is tried anew by the next who asks. */
  open(): Promise<Pool> {
    if (this.#isClosed) throw closed();
    this.#pool ??= openPool(this.#url).catch((error) => {
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

  /** A transaction of one statement. */
  run(sql: Sql): Promise<number> {
    return this.transaction((tx) => tx.run(sql));
  }

  /**
   * Runs `work` inside a transaction and answers after it is durable. It may run again, on a deadlock for example: all
   * it changes is in the database.
   * @throws store_busy, store_full, store_unreachable, store_unusable
   */
  async transaction<T>(work: (tx: Queries) => Promise<T>): Promise<T> {
    const pool = await this.open();
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#once(pool, work);
      } catch (error) {
        if (attempt === MOST_ATTEMPTS || !isWorthRepeating(error)) throw asStoreError(error);
        await sleep(Math.random() * PAUSE_MS * attempt);
      }
    }
  }

  async #once<T>(pool: Pool, work: (tx: Queries) => Promise<T>): Promise<T> {
    const client = await pool.connect();
    // Without a listener, a connection that breaks between two statements would end the process.
    const ignore = () => undefined;
    client.on('error', ignore);
    let broken = false;
    try {
      await client.query(BEGIN);
      const value = await work(queriesOn(client));
      const began = performance.now();
      await commit(client);
      this.#observer?.committed(performance.now() - began, 1);
      return value;
    } catch (error) {
      broken = hasLostConnection(error) || !(await isRolledBack(client));
      throw error;
    } finally {
      client.off('error', ignore);
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
