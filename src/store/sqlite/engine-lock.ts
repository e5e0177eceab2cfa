// Which process runs the engine. The lock is SQLite's own on a file beside the database: the operating
// system lets go of it in the moment the process ends, however it ends.
import Database from 'better-sqlite3';
import type { EngineStore } from '../store.ts';

export function engineStore(db: Database.Database, file: string): EngineStore {
  const dataVersion = db.prepare('PRAGMA data_version').pluck();
  let seen = dataVersion.get();
  return {
    tryLock() {
      if (file === ':memory:') return { release() {} };
      const lock = new Database(`${file}-engine`, { timeout: 0 });
      try {
        lock.pragma('locking_mode = EXCLUSIVE');
        lock.exec('BEGIN EXCLUSIVE');
      } catch {
        lock.close();
        return undefined;
      }
      return { release: () => void lock.close() };
    },
    hasForeignChanges() {
      const version = dataVersion.get();
      const hasChanged = version !== seen;
      seen = version;
      return hasChanged;
    },
  };
}
