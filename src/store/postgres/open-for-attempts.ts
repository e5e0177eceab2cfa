// What a thread that makes attempts reads: the database that the host has open, over a few connections of its own.
import type { AttemptStore } from '../delivery-store.ts';
import { Database } from './database.ts';
import { DatabaseClock } from './database-clock.ts';
import { Gate } from './gate.ts';
import { owedEventStore } from './owed-events.ts';

/** Payloads and recipients, for a moment each: a server gives a hundred to all there are. */
const MOST_CONNECTIONS = 2;
/** A gate that hears nothing tries another connection: nothing is sent meanwhile. */
const GATE_POOL = { mostConnections: 1, queryTimeoutMs: 2_000 };

/** @param url of a database that is migrated already. @param lifetime of the share (engine-store.ts); undefined: of none. */
export function openPostgresForAttempts(url: string, lifetime?: string): AttemptStore {
  const db = new Database(url, undefined, { mostConnections: MOST_CONNECTIONS });
  const gate = openGate(db, url, () => lifetime);
  const clock = new DatabaseClock(db);
  return {
    events: owedEventStore(db),
    gate,
    clock,
    async close() {
      clock.close();
      await gate.close();
      await db.close();
    },
  };
}

/** With a connection of its own. */
export function openGate(db: Database, url: string, lifetime: () => string | undefined): Gate {
  return new Gate(db, new Database(url, undefined, GATE_POOL), lifetime);
}
