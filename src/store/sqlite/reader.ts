// Group read. Reads asked for in the same turn of the event loop share one transaction: opening one, which asks the file
// what others have written, costs ten times what is read in it. It begins after the last of them was asked for, so that
// none misses a commit made before that. The work is synchronous, as the writer's is.
import type { Database, Statement } from 'better-sqlite3';

interface Job {
  work: () => unknown;
  resolve: (value: unknown) => void;
  reject: (error: unknown) => void;
}

export class Reader {
  readonly #db: Database;
  readonly #begin: Statement;
  readonly #commit: Statement;
  readonly #rollback: Statement;
  #queue: Job[] = [];

  constructor(db: Database) {
    this.#db = db;
    this.#begin = db.prepare('BEGIN');
    this.#commit = db.prepare('COMMIT');
    this.#rollback = db.prepare('ROLLBACK');
  }

  /** Answers with what `work` reads at the end of this turn. */
  read<T>(work: () => T): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.#queue.push({ work, resolve: resolve as (value: unknown) => void, reject });
      if (this.#queue.length === 1) setImmediate(() => this.#flush());
    });
  }

  /** Reads what is still queued. */
  async drain(): Promise<void> {
    if (this.#queue.length > 0) await this.read(() => undefined);
  }

  #flush(): void {
    const jobs = this.#queue;
    this.#queue = [];
    // A single statement is a transaction by itself.
    const isGroup = jobs.length > 1;
    try {
      if (isGroup) this.#begin.run();
      for (const job of jobs) runJob(job);
      if (isGroup) this.#commit.run();
    } catch (error) {
      if (this.#db.inTransaction) this.#rollback.run();
      for (const job of jobs) job.reject(error);
    }
  }
}

function runJob({ work, resolve, reject }: Job): void {
  try {
    resolve(work());
  } catch (error) {
    reject(error);
  }
}
