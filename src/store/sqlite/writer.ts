// Group commit. Writes asked for in the same turn of the event loop share one transaction and one sync of the disk, which
// the event loop does not wait for. One that fails takes nothing with it: the transaction is rolled back and made again
// with a savepoint around each, which is dear (it copies every page that is touched), and so not done before something
// fails. Work is synchronous (no await ever happens inside a transaction) and may run
// twice: all it changes is in the database; what it changes elsewhere, it does after the commit. Nobody is told of success
// before the commit is on the disk.
import { setTimeout as wait } from 'node:timers/promises';
import type { Database, Statement } from 'better-sqlite3';
import { MortiseError } from '../../core/errors.ts';
import type { StoreObserver } from '../observer.ts';
import type { Disk } from './disk.ts';
import { MOMENT_MS } from './moment.ts';
import { asStoreError, notSynced } from './store-errors.ts';

/**
 * When whoever wrote is answered. `committed`: at once, where nothing is lost if it is not on the disk after a power
 * loss, but done again. `durable`: when it is on the disk, and, where the gate looks at what has changed, when nothing
 * is sent any more that rests on what was there before.
 */
export type Until = 'committed' | 'durable';

interface Job {
  work: () => unknown;
  until: Until;
  resolve: (value: unknown) => void;
  reject: (error: unknown) => void;
  askedAt: number;
}

interface Done {
  job: Job;
  answer: () => void;
}

/** Committed, and not known to be on the disk. */
interface Batch {
  done: Done[];
  /** By performance.now(). */
  committed: number;
  changesGate: boolean;
}

const MOST_PER_COMMIT = 512;
/** So many writes never wait for others. */
const WORTH_A_COMMIT = 128;
/** Between two commits, while one follows the other. */
const SHORTEST_PAUSE_MS = 2;
const LONGEST_PAUSE_MS = 6;
/** Writes of one commit from which on others may be expected to follow. */
const BUSY_WRITES = 8;
/** How long a write waits for another process's transaction before it is refused. */
const BUSY_LIMIT_MS = 10_000;

export interface WriterParts {
  disk?: Disk;
  observer?: StoreObserver;
  settle?: () => Promise<void>;
}

export class Writer {
  readonly #db: Database;
  readonly #disk: Disk | undefined;
  readonly #observer: StoreObserver | undefined;
  readonly #settle: (() => Promise<void>) | undefined;
  readonly #begin: Statement;
  readonly #commit: Statement;
  readonly #rollback: Statement;
  readonly #savepoint: Statement;
  readonly #release: Statement;
  readonly #rollbackTo: Statement;
  #queue: Job[] = [];
  #isScheduled = false;
  #notBefore = 0;
  /** So many do not wait for others, after the last commit: whoever waited for that has asked again. */
  #worthACommit = WORTH_A_COMMIT;
  #pause: NodeJS.Timeout | undefined;
  #unsynced: Batch[] = [];
  #isSyncing = false;
  #changesGate = false;
  /** What is to be done when the transaction is committed. */
  #afterCommit: (() => void)[] = [];
  /** What was committed may not be on the disk, and nobody can know: nothing is written any more. */
  #broken: MortiseError | undefined;

  /**
   * @param parts.disk undefined where nothing is kept on one.
   * @param parts.settle resolves when no thread of this process rests on what it saw before the call.
   */
  constructor(db: Database, parts: WriterParts = {}) {
    this.#db = db;
    this.#disk = parts.disk;
    this.#observer = parts.observer;
    this.#settle = parts.settle;
    this.#begin = db.prepare('BEGIN IMMEDIATE');
    this.#commit = db.prepare('COMMIT');
    this.#rollback = db.prepare('ROLLBACK');
    this.#savepoint = db.prepare('SAVEPOINT job');
    this.#release = db.prepare('RELEASE job');
    this.#rollbackTo = db.prepare('ROLLBACK TO job');
  }

  /** Runs `work` inside a transaction. */
  write<T>(work: () => T, until: Until = 'durable'): Promise<T> {
    if (this.#broken) return Promise.reject(this.#broken);
    return new Promise<T>((resolve, reject) => {
      this.#queue.push({
        work,
        until,
        resolve: resolve as (value: unknown) => void,
        reject,
        askedAt: Date.now(),
      });
      this.#schedule();
    });
  }

  /** Called inside a transaction: what the gate looks at has changed. */
  gateChanges(): void {
    this.#changesGate = true;
  }

  /** Called inside a transaction: `then` runs when it is committed, before anybody is answered; never, if it is not. */
  afterCommit(then: () => void): void {
    this.#afterCommit.push(then);
  }

  /** Writes what is still queued. */
  async drain(): Promise<void> {
    while (this.#queue.length > 0 || this.#isSyncing) {
      await this.write(() => undefined).catch(() => undefined);
    }
  }

  /** While one commit follows the other there is a pause, as long as the disk took: on a slow one, more writes share the next. */
  #schedule(): void {
    if (this.#isScheduled) {
      if (this.#pause && this.#queue.length >= this.#worthACommit) {
        clearTimeout(this.#pause);
        this.#pause = undefined;
        setImmediate(() => this.#flush());
      }
      return;
    }
    this.#isScheduled = true;
    const wait = this.#notBefore - performance.now();
    if (wait < 1 || this.#queue.length >= this.#worthACommit) setImmediate(() => this.#flush());
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
    const began = performance.now();
    this.#changesGate = false;
    this.#afterCommit = [];
    let done: Done[];
    try {
      done = this.#runTogether(jobs) ?? this.#runApart(jobs);
      this.#commit.run();
    } catch (error) {
      if (this.#db.inTransaction) this.#rollback.run();
      this.#waitOrRefuse(jobs, error);
      return;
    }
    for (const then of this.#afterCommit) then();
    const committed = performance.now();
    const isBusy = jobs.length >= BUSY_WRITES;
    this.#notBefore = isBusy ? committed + Math.max(committed - began, SHORTEST_PAUSE_MS) : 0;
    this.#worthACommit = Math.min(jobs.length, WORTH_A_COMMIT);
    this.#observer?.committed(committed - began, jobs.length);
    this.#disk?.committed();
    for (const { job, answer } of done) if (job.until === 'committed') answer();
    const others = done.filter(({ job }) => job.until !== 'committed');
    if (others.length > 0) {
      this.#unsynced.push({ done: others, committed, changesGate: this.#changesGate });
      if (!this.#isSyncing) void this.#sync();
    }
    this.#next();
  }

  /** One at a time; what is committed meanwhile shares the next. */
  async #sync(): Promise<void> {
    this.#isSyncing = true;
    while (this.#unsynced.length > 0) {
      const batches = this.#unsynced;
      this.#unsynced = [];
      const began = performance.now();
      try {
        await this.#disk?.sync();
        this.#observer?.synced(performance.now() - began);
      } catch (error) {
        this.#break(batches, error);
        break;
      }
      for (const batch of batches) void this.#answer(batch);
    }
    this.#isSyncing = false;
  }

  async #answer({ done, committed, changesGate }: Batch): Promise<void> {
    if (changesGate) await this.#untilSeen(committed);
    for (const { answer } of done) answer();
  }

  /** Threads say when they have begun to look at what is there now; of other processes, the time tells. */
  async #untilSeen(committed: number): Promise<void> {
    await this.#settle?.();
    while (this.#disk && performance.now() - committed <= MOMENT_MS) await wait(1);
  }

  #break(batches: Batch[], error: unknown): void {
    this.#broken = notSynced(error);
    const committed = [...batches, ...this.#unsynced.splice(0)].flatMap(({ done }) => done);
    const jobs = [...committed.map(({ job }) => job), ...this.#queue.splice(0)];
    for (const job of jobs) job.reject(this.#broken);
  }

  /** @returns undefined if one failed: nothing of them stands, and a new transaction is open */
  #runTogether(jobs: Job[]): Done[] | undefined {
    const done: Done[] = [];
    try {
      for (const job of jobs) {
        const value = job.work();
        done.push({ job, answer: () => job.resolve(value) });
      }
      return done;
    } catch {
      if (this.#db.inTransaction) this.#rollback.run();
      this.#afterCommit = [];
      this.#begin.run();
      return undefined;
    }
  }

  #runApart(jobs: Job[]): Done[] {
    return jobs.map((job) => ({ job, answer: this.#runJob(job) }));
  }

  #runJob(job: Job): () => void {
    const before = this.#afterCommit.length;
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
      this.#afterCommit.length = before;
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
