// Which process runs the engine. The lock is SQLite's own on a file beside the database: the operating
// system lets go of it in the moment the process ends, however it ends.
import Database from 'better-sqlite3';
import type { DroppedDay, EngineLock, EngineStore } from '../store.ts';
import type { AttemptTables } from './attempt-tables.ts';
import { endOf } from './day-tables.ts';
import { type EventTables, forgottenEvents } from './event-tables.ts';
import { sweepOperation } from './sweep.ts';
import type { Writer } from './writer.ts';

export function engineStore(
  db: Database.Database,
  file: string,
  writer: Writer,
  days: { events: EventTables; attempts: AttemptTables },
): EngineStore {
  const dataVersion = db.prepare('PRAGMA data_version').pluck();
  const forgotten = forgottenEvents(db);
  let seen = dataVersion.get();
  return {
    async tryLock() {
      const lock = file === ':memory:' ? { release() {} } : tryEngineLock(file);
      return lock && held(lock.release);
    },
    /** Whether another connection has committed; costs about a microsecond. */
    async hasForeignChanges() {
      const version = dataVersion.get();
      const hasChanged = version !== seen;
      seen = version;
      return hasChanged;
    },
    sweep: sweepOperation(db, writer),
    async turnDays(now, retention) {
      const dropped: DroppedDay[] = [];
      for (const kind of ['events', 'attempts'] as const) {
        const tables = days[kind];
        await writer.write(() => tables.makeAhead(now));
        tables.confirm(now);
        // One table a transaction: the lock is held for no longer than one day takes.
        for (const day of tables.endedBefore(now - retention[kind])) {
          await writer.write(() => {
            tables.drop(day);
            if (kind === 'events') forgotten.write(endOf(day));
          });
          dropped.push({ kind, day });
        }
      }
      return dropped;
    },
  };
}

/** @returns undefined if another process runs the engine on this file. */
export function tryEngineLock(file: string): { release(): void } | undefined {
  const lock = new Database(`${file}-engine`, { timeout: 0 });
  try {
    lock.pragma('locking_mode = EXCLUSIVE');
    lock.exec('BEGIN EXCLUSIVE');
  } catch {
    lock.close();
    return undefined;
  }
  return { release: () => void lock.close() };
}

/** Nobody takes it from a process that lives. */
function held(release: () => void): EngineLock {
  return {
    isHeld: () => true,
    lost: new Promise(() => {}),
    release: async () => release(),
  };
}
