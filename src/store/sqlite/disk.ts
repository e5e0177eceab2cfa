// What a database file has beside its connection, so that the event loop never waits for the disk.
import type { Database } from 'better-sqlite3';
import { Checkpoints } from './checkpoints.ts';
import { WalSync } from './wal-sync.ts';

export class Disk {
  readonly #wal: WalSync;
  readonly #checkpoints: Checkpoints;

  /** @param file of the database, in WAL mode, with synchronous = NORMAL. */
  constructor(db: Database, file: string) {
    this.#wal = new WalSync(file);
    this.#checkpoints = new Checkpoints(db, file);
  }

  /** Resolves when everything committed before the call is on the disk. @throws what the system says */
  sync(): Promise<void> {
    return this.#wal.sync();
  }

  /** Called after each commit. */
  committed(): void {
    this.#checkpoints.committed();
  }

  async close(): Promise<void> {
    await this.#checkpoints.close();
    this.#wal.close();
  }
}
