// What makes a commit durable: the write-ahead log is on the disk. SQLite with synchronous = FULL asks for that inside
// COMMIT, and the event loop stands still for as long as the disk takes; here the same file is synced beside it, and who
// wrote is answered when it is. SQLite itself is at NORMAL: it syncs around checkpoints, which is what keeps the file
// whole (https://sqlite.org/pragma.html#pragma_synchronous).
import { closeSync, constants, fdatasync, fsyncSync, openSync } from 'node:fs';
import { dirname } from 'node:path';

export class WalSync {
  readonly #file: string;
  #fd: number | undefined;

  /** @param file of the database, in WAL mode. */
  constructor(file: string) {
    this.#file = file;
  }

  /** Resolves when everything committed before the call is on the disk. @throws what the system says */
  sync(): Promise<void> {
    this.#fd ??= this.#open();
    const fd = this.#fd;
    return new Promise((resolve, reject) => {
      fdatasync(fd, (error) => (error ? reject(error) : resolve()));
    });
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }

  /** SQLite keeps the file for as long as a connection is open, and holds no lock on it that closing would end. */
  #open(): number {
    const fd = openSync(`${this.#file}-wal`, constants.O_RDWR);
    // A new file is there after a power loss if its folder was synced too.
    const folder = openSync(dirname(this.#file), constants.O_RDONLY);
    try {
      if (process.platform !== 'win32') fsyncSync(folder);
    } finally {
      closeSync(folder);
    }
    return fd;
  }
}
