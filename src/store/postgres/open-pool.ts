// The pool of connections, and what must be true of a database before the first statement.
import type { Pool, PoolClient } from 'pg';
import { refuseHalfCopied } from './copy-progress.ts';
import { migrate } from './migrate.ts';
import {
  connectFailure,
  driverMissing,
  isReadOnly,
  serverTooOld,
  wrongEncoding,
} from './start-errors.ts';
import { hasLostConnection } from './store-errors.ts';

/** Of one process. A transaction takes a connection for a few milliseconds. */
const MOST_CONNECTIONS = 10;
const CONNECT_TIMEOUT_MS = 10_000;
/** For an answer. Longer than anybody waits for a lock: a server that says nothing for so long is not heard of again. */
const QUERY_TIMEOUT_MS = 30_000;
const KEEP_ALIVE_AFTER_MS = 10_000;
/** The oldest that is tested, and that the PostgreSQL project still mends. */
const OLDEST_VERSION = 150_000;
/** int8: milliseconds and counts, all of them far below 2^53. */
const INT8 = 20;

export interface PoolOptions {
  mostConnections?: number;
  /** After this the connection is given up for lost; while it is being filled, when the operating system does. */
  queryTimeoutMs?: number;
  /** For who copies another store into it. */
  isBeingFilled?: boolean;
}

/**
 * @throws database_driver_missing, database_unreachable, database_login_refused, database_missing, database_too_old,
 *   database_encoding, database_read_only, database_permission, database_newer, database_unusable,
 *   database_half_copied
 */
export async function openPool(
  url: string,
  {
    mostConnections = MOST_CONNECTIONS,
    queryTimeoutMs = QUERY_TIMEOUT_MS,
    isBeingFilled,
  }: PoolOptions,
): Promise<Pool> {
  const { default: pg } = await import('pg').catch((cause) => {
    throw driverMissing(cause);
  });
  const pool = new pg.Pool({
    connectionString: url,
    application_name: 'mortise',
    max: mostConnections,
    query_timeout: isBeingFilled ? undefined : queryTimeoutMs,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_AFTER_MS,
    types: {
      getTypeParser: (oid: number, format?: 'text' | 'binary') =>
        oid === INT8 ? Number : pg.types.getTypeParser(oid, format as 'text'),
    },
  });
  // A connection that breaks while nobody uses it is replaced; without a listener it would end the process.
  const ignore = () => undefined;
  pool.on('error', ignore);
  // So would one that breaks in the moment in which it is handed over: what PostgreSQL says last may come in one piece
  // with the answer before it.
  pool.on('connect', (client) => client.on('error', ignore));
  try {
    const client = await pool.connect().catch((cause) => {
      throw connectFailure(url, cause);
    });
    // The pool listens only to those that nobody uses.
    client.on('error', ignore);
    let broken = false;
    try {
      await checkServer(client);
      await migrate(client, url);
      if (!isBeingFilled) await refuseHalfCopied(client);
    } catch (error) {
      broken = true;
      throw hasLostConnection(error) ? connectFailure(url, error) : error;
    } finally {
      client.off('error', ignore);
      client.release(broken);
    }
  } catch (error) {
    await pool.end();
    throw error;
  }
  return pool;
}

/** @throws database_too_old, database_encoding, database_read_only */
export async function checkServer(client: PoolClient, oldest = OLDEST_VERSION): Promise<void> {
  const { rows } = await client.query<{
    number: number;
    name: string;
    encoding: string;
    isStandby: boolean;
  }>(
    `SELECT current_setting('server_version_num')::int AS number, current_setting('server_version') AS name,
       current_setting('server_encoding') AS encoding, pg_is_in_recovery() AS "isStandby"`,
  );
  const { number, name, encoding, isStandby } = rows[0]!;
  if (number < oldest) throw serverTooOld(name, oldest / 10_000);
  if (encoding !== 'UTF8') throw wrongEncoding(encoding);
  if (isStandby) throw isReadOnly();
}
