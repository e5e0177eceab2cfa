// What a thread that makes attempts reads: the file that the host has open, over connections that cannot write.
import Database from 'better-sqlite3';
import { systemClock } from '../../core/clock.ts';
import type { AttemptStore, GateStore } from '../delivery-store.ts';
import { eventTables } from './event-tables.ts';
import { gateStore } from './gate.ts';
import { owedEventStore } from './owed-events.ts';

/** A reader waits for nobody but one that recovers the file after a crash. */
const BUSY_TIMEOUT_MS = 2_000;

/** @param path of a file that is open already. */
export function openSqliteForAttempts(path: string): AttemptStore {
  // Not the gate's connection: what that sees is of a moment ago, and an event of that moment would not be there yet.
  const events = open(path);
  const { gate, close } = openSqliteGate(path);
  return {
    events: owedEventStore(events, eventTables(events)),
    gate,
    clock: systemClock,
    async close() {
      events.close();
      close();
    },
  };
}

/** The gate alone, for who makes attempts in the host's own thread. */
export function openSqliteGate(path: string): { gate: GateStore; close(): void } {
  const db = open(path);
  return { gate: gateStore(db), close: () => void db.close() };
}

function open(path: string): Database.Database {
  return new Database(path, { readonly: true, fileMustExist: true, timeout: BUSY_TIMEOUT_MS });
}
