// Group commit. Writes asked for in the same turn of the event loop share one transaction and one fsync. One that fails
// takes nothing with it: the transaction is rolled back and made again with a savepoint around each, which is dear, and
// so not done before something fails. Work is synchronous (no await ever happens inside a transaction) and may run
// twice: all it changes is in the database. Nobody is told of success before the commit.
import type { Database, Statement } from 'better-sqlite3';
import { MortiseError } from '../../core/errors.ts';
import type { StoreObserver } from '../store.ts';
import { asStoreError } from './store-errors.ts';

interface Job {
  work: () => unknown;
  resolve: (value: unknown) => void;
  reject: (error: unknown) => void;
  askedAt: number;
}

const MOST_PER_COMMIT = 512;
/** So many writes do not wait for others. */
const WORTH_A_COMMIT = 128;
/** Between two commits, while one follows the other. */
const SHORTEST_PAUSE_MS = 3;
const LONGEST_PAUSE_MS = 6;
/** Writes of one commit from which on others may be expected to follow. */
const BUSY_WRITES = 8;
/** How long a write waits for another process's transaction before it is refused. */
const BUSY_LIMIT_MS = 10_000;

export class Writer {
  readonly #db: Database;
  readonly #observer: StoreObserver | undefined;
  readonly #begin: Statement;
  readonly #commit: Statement;
  readonly #rollback: Statement;
  readonly #savepoint: Statement;
  readonly #release: Statement;
  readonly #rollbackTo: Statement;
  #queue: Job[] = [];
  #isScheduled = false;
  #notBefore = 0;
  #pause: NodeJS.Timeout | undefined;

  constructor(db: Database, observer?: StoreObserver) {
    this.#db = db;
    this.#observer = observer;
    this.#begin = db.prepare('BEGIN IMMEDIATE');
    this.#commit = db.prepare('COMMIT');
    this.#rollback = db.prepare('ROLLBACK');
    this.#savepoint = db.prepare('SAVEPOINT job');
    this.#release = db.prepare('RELEASE job');
    this.#rollbackTo = db.prepare('ROLLBACK TO job');
  }

  /** Runs `work` inside a transaction and answers after it is on disk. */
  write<T>(work: () => T): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#queue.push({
        work,
        resolve: resolve as (value: unknown) => void,
        reject,
        askedAt: Date.now(),
      });
      this.#schedule();
    });
  }

  /** Writes what is still queued. */
  async drain(): Promise<void> {
    while (this.#queue.length > 0) await this.write(() => undefined).catch(() => undefined);
  }

  /** While one commit follows the other there is a pause, as long as the disk took: on a slow one, more writes share the next. */
  #schedule(): void {
    if (this.#isScheduled) {
      if (this.#pause && this.#queue.length >= WORTH_A_COMMIT) {
        clearTimeout(this.#pause);
        this.#pause = undefined;
        setImmediate(() => this.#flush());
      }
      return;
    }
    this.#isScheduled = true;
    const wait = this.#notBefore - performance.now();
    if (wait < 1 || this.#queue.length >= WORTH_A_COMMIT) setImmediate(() => this.#flush());
    else this.#pause = setTimeout(() => this.#flush(), Math.min(wait, LONGEST_PAUSE_MS));
  }

  #flush(): void {
    this.#pause = undefined;
    const jobs = this.#queue.splice(0, MOST_PER_COMMIT);
    this.#isScheduled = false;
    if (jobs.length === 0) return;
    try {
      this.#begin.run();
    } catch (error) {
      this.#waitOrRefuse(jobs, error);
      return;
    }
    let answers: (() => void)[];
    try {
      answers = this.#runTogether(jobs) ?? this.#runApart(jobs);
      const began = performance.now();
      this.#commit.run();
      const ended = performance.now();
      const isBusy = jobs.length >= BUSY_WRITES;
      this.#notBefore = isBusy ? ended + Math.max(ended - began, SHORTEST_PAUSE_MS) : 0;
      this.#observer?.committed(ended - began, jobs.length);
    } catch (error) {
      if (this.#db.inTransaction) this.#rollback.run();
      this.#waitOrRefuse(jobs, error);
      return;
    }
    for (const answer of answers) answer();
    this.#next();
  }

  /** @returns undefined if one failed: nothing of them stands, and a new transaction is open */
  #runTogether(jobs: Job[]): (() => void)[] | undefined {
    if (jobs.length === 1) return undefined;
    const answers: (() => void)[] = [];
    try {
      for (const job of jobs) {
        const value = job.work();
        answers.push(() => job.resolve(value));
      }
      return answers;
    } catch {
      if (this.#db.inTransaction) this.#rollback.run();
      this.#begin.run();
      return undefined;
    }
  }

  #runApart(jobs: Job[]): (() => void)[] {
    return jobs.map((job) => this.#runJob(job));
  }

  #runJob(job: Job): () => void {
    this.#savepoint.run();
    try {
      const value = job.work();
      this.#release.run();
      return () => job.resolve(value);
    } catch (error) {
      // SQLite ends the whole transaction itself on a full disk or an I/O error: nothing of it stands.
      if (!this.#db.inTransaction) throw error;
      this.#rollbackTo.run();
      this.#release.run();
      return () => job.reject(asStoreError(error));
    }
  }

  /** Waits by timer, never inside SQLite: a blocked call would freeze the product's event loop. */
  #waitOrRefuse(jobs: Job[], error: unknown): void {
    if (!isBusy(error)) {
      for (const job of jobs) job.reject(asStoreError(error));
      this.#next();
      return;
    }
    const now = Date.now();
    const patient = jobs.filter((job) => now - job.askedAt < BUSY_LIMIT_MS);
    for (const job of jobs) {
      if (!patient.includes(job)) job.reject(storeBusy(error));
    }
    this.#queue.unshift(...patient);
    if (this.#queue.length === 0) return;
    this.#isScheduled = true;
    setTimeout(() => this.#flush(), 5 + Math.random() * 20);
  }

  #next(): void {
    if (this.#queue.length > 0) this.#schedule();
  }
}

function isBusy(error: unknown): boolean {
  return String((error as { code?: string }).code).startsWith('SQLITE_BUSY');
}

function storeBusy(cause: unknown): MortiseError {
  return new MortiseError({
    code: 'store_busy',
    status: 503,
    message: `Another process has held the database's write lock for more than ${BUSY_LIMIT_MS / 1000} s, so nothing was written.`,
    hint: 'Try again. If it lasts, look for a transaction that is kept open across slow work.',
    cause,
  });
}
