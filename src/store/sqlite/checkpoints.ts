// Copies the write-ahead log into the file beside the event loop: a checkpoint of 32 MB takes a tenth of a second. The
// log begins anew when all of it is copied, which never happens while others write; the last few pages are copied here.
import type { Worker } from 'node:worker_threads';
import type { Database } from 'better-sqlite3';
import { startThread } from '../../core/thread.ts';
import { FEW_PAGES, pagesLeft } from './wal-pages.ts';

/** Pages in the log from which on it is copied, and from which on it is to begin anew. */
const WORTH_COPYING = 2_000;
const LONG = 4_000;
/** SQLite copies by itself, inside a commit, what has become longer than this. */
const TOO_LONG = 16_000;
const COMMITS_BETWEEN_LOOKS = 16;

export class Checkpoints {
  readonly #db: Database;
  readonly #file: string;
  #thread: Worker | undefined;
  #isCopying = false;
  #commits = 0;

  /** @param file of the database, in WAL mode. */
  constructor(db: Database, file: string) {
    this.#db = db;
    this.#file = file;
    db.pragma(`wal_autocheckpoint = ${TOO_LONG}`);
  }

  /** Called after each. */
  committed(): void {
    if (this.#isCopying || ++this.#commits < COMMITS_BETWEEN_LOOKS) return;
    this.#commits = 0;
    try {
      if (pagesLeft(this.#db).left < WORTH_COPYING) return;
      this.#isCopying = true;
      this.#thread ??= this.#start();
      this.#thread.postMessage('copy');
    } catch (error) {
      this.#giveUp(error);
    }
  }

  async close(): Promise<void> {
    const thread = this.#thread;
    if (!thread) return;
    this.#thread = undefined;
    // Nothing else may keep the process alive until then.
    thread.ref();
    const exit = new Promise((resolve) => thread.once('exit', resolve));
    thread.postMessage('close');
    await exit;
  }

  #start(): Worker {
    const thread = startThread('./checkpoint-thread', import.meta.url, {
      name: 'mortise-checkpoint',
      workerData: this.#file,
    });
    thread.unref();
    thread.on('message', () => this.#copied());
    thread.on('error', (error) => this.#giveUp(error));
    return thread;
  }

  /** From now on as SQLite does without a thread. */
  #giveUp(error: unknown): void {
    process.emitWarning(`Mortise copies its log inside commits from now on: ${error}`);
    this.#thread = undefined;
    if (this.#db.open) this.#db.pragma(`wal_autocheckpoint = ${LONG}`);
  }

  #copied(): void {
    this.#isCopying = false;
    if (!this.#db.open || this.#db.inTransaction) return;
    try {
      const { log, left } = pagesLeft(this.#db);
      if (log > LONG && left <= FEW_PAGES) this.#db.pragma('wal_checkpoint(PASSIVE)');
    } catch {
      // The disk is full, or does not answer: whoever writes is told, and the log is kept.
    }
  }
}
