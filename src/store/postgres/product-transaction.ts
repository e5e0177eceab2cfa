// The product's own transaction, on its own `pg` client: what must be true of it before events are published in it.
import sql from 'sql-template-tag';
import { transactionUnusable } from '../publish-errors.ts';
import type { Database } from './database.ts';
import { type Queries, queriesOn } from './queries.ts';

type Client = Parameters<typeof queriesOn>[0] & { query(text: string): Promise<unknown> };

/** Changes nothing, and is refused outside of a transaction, and inside one in which a statement has failed. */
const PROBE = 'SAVEPOINT mortise; RELEASE SAVEPOINT mortise';
const NOT_IN_TRANSACTION = '25P01';
const HAS_FAILED = '25P02';
/** The running server, and one of its databases: a copy is another. */
const IDENTITY = sql`SELECT extract(epoch FROM pg_postmaster_start_time())::text || ' ' || oid::text AS identity
  FROM pg_database WHERE datname = current_database()`;

/** Those that have been found to be on Mortise's own database. */
const known = new WeakMap<Client, Database>();

/** @throws transaction_unusable */
export async function productTransaction(
  transaction: unknown,
  db: Database,
): Promise<{ queries: Queries; client: Client }> {
  const client = transaction as Client;
  if (typeof client?.query !== 'function') throw unusable('it is not a client of "pg"');
  try {
    await client.query(PROBE);
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === NOT_IN_TRANSACTION) throw unusable('no transaction is open on it', error);
    if (code === HAS_FAILED) throw unusable('a statement in it has failed', error);
    throw error;
  }
  const queries = queriesOn(client);
  if (known.get(client) !== db) {
    if ((await identityOf(queries)) !== (await identityOf(db))) {
      throw unusable("it is on another database, not on Mortise's own");
    }
    known.set(client, db);
  }
  return { queries, client };
}

/** What PostgreSQL says when the product's user may not, as whoever called is told. */
export function asUnusable(error: unknown): unknown {
  const { code, message } = error as { code?: string; message?: string };
  if (code === '25006') return unusable('it is read only', error);
  if (code === '42501') return unusable(`its user may not publish (${message})`, error);
  return error;
}

async function identityOf(queries: Queries): Promise<string | undefined> {
  return (await queries.get<{ identity: string }>(IDENTITY))?.identity;
}

function unusable(why: string, cause?: unknown) {
  return transactionUnusable(
    why,
    'Give the client of "pg" on which BEGIN was run (no pool), connected to the database of MORTISE_DATABASE_URL, with a user who may write in its schema "mortise".',
    cause,
  );
}
