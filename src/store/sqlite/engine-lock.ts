// Which process runs the engine. The lock is SQLite's own on a file beside the database: the operating
// system lets go of it in the moment the process ends, however it ends.
import Database from 'better-sqlite3';
import { BUCKETS } from '../../core/ids.ts';
import type { DeliveryStore } from '../delivery-store.ts';
import type { DroppedDay, EngineLock, EngineStore, Share } from '../engine-store.ts';
import type { StoreObserver } from '../observer.ts';
import type { AttemptTables } from './attempt-tables.ts';
import { endOf } from './day-tables.ts';
import { type EventTables, forgottenEvents } from './event-tables.ts';
import { sweepOperation } from './sweep.ts';
import type { Unwritten } from './unwritten.ts';
import type { Writer } from './writer.ts';

export function engineStore(
  db: Database.Database,
  file: string,
  writer: Writer,
  days: { events: EventTables; attempts: AttemptTables },
  sent: SentDeliveries,
): EngineStore {
  const tryLock = sharedLock(file);
  const forgotten = forgottenEvents(db);
  return {
    async tryLock() {
      const lock = tryLock();
      return lock && held(lock.release);
    },
    async tryShare() {
      const lock = tryLock();
      return lock && wholeShare(db, lock.release, sent);
    },
    hasForeignChanges: changesOf(db),
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

/** One lock for both rights: who leads sends, and lets go of it when it does neither. */
function sharedLock(file: string): () => { release(): void } | undefined {
  let lock: { release(): void } | undefined;
  let holders = 0;
  return () => {
    lock ??= file === ':memory:' ? { release() {} } : tryEngineLock(file);
    if (!lock) return undefined;
    holders++;
    let isReleased = false;
    return {
      release() {
        if (isReleased) return;
        isReleased = true;
        if (--holders > 0) return;
        lock?.release();
        lock = undefined;
      },
    };
  };
}

/** Whether another connection has committed since the last call; costs about a microsecond. */
function changesOf(db: Database.Database): () => Promise<boolean> {
  const dataVersion = db.prepare('PRAGMA data_version').pluck();
  let seen = dataVersion.get();
  return async () => {
    const version = dataVersion.get();
    const hasChanged = version !== seen;
    seen = version;
    return hasChanged;
  };
}

interface SentDeliveries {
  deliveries: Pick<DeliveryStore, 'lanes'>;
  unwritten: Unwritten;
  observer: StoreObserver | undefined;
}

/** Of the processes on one file one sends, everything. */
function wholeShare(
  db: Database.Database,
  release: () => void,
  { deliveries, unwritten, observer }: SentDeliveries,
): Share {
  const hasChanges = changesOf(db);
  return {
    ...held(release),
    lifetime: undefined,
    includes: () => true,
    size: BUCKETS,
    async start(sender) {
      await unwritten.open();
      // Counted once, while nobody else owes or ends anything: from here on the store tells what it commits. A table of
      // a million is a matter of tens of milliseconds, and reading the lanes follows anyway.
      observer?.owed(db.prepare<[], number>('SELECT COUNT(*) FROM deliveries').pluck().get()!);
      sender.taken(await deliveries.lanes());
    },
    lookForWork: async () =>
      (await hasChanges()) ? { owed: [], installationIds: [], hasMore: true } : undefined,
    async release(drained) {
      await drained;
      await unwritten.close();
      release();
    },
  };
}

/** Nobody takes it from a process that lives. */
function held(release: () => void): EngineLock {
  return {
    isHeld: () => true,
    lost: new Promise(() => {}),
    release: async () => release(),
  };
}
