// Partitions by day.
import sql, { raw } from 'sql-template-tag';
import type { Database } from './database.ts';
import { LOCKS } from './locks.ts';

const DAY_MS = 24 * 3_600_000;

export class Days {
  readonly #db: Database;
  readonly #table: 'events' | 'attempts';
  readonly #known = new Set<string>();

  constructor(db: Database, table: 'events' | 'attempts') {
    this.#db = db;
    this.#table = table;
  }

  /** Makes the partitions of these times, unless they are known to be there. @param times milliseconds since 1970. */
  async ensure(times: number[]): Promise<void> {
    for (const time of times) {
      const day = new Date(time).toISOString().slice(0, 10).replaceAll('-', '');
      if (this.#known.has(day)) continue;
      const from = time - (time % DAY_MS);
      await this.#db.transaction(async (tx) => {
        await tx.run(sql`SELECT pg_advisory_xact_lock(${LOCKS.migrations}, 1)`);
        await tx.run(
          raw(`CREATE TABLE IF NOT EXISTS mortise.${this.#table}_${day} PARTITION OF mortise.${this.#table}
            FOR VALUES FROM (${from}) TO (${from + DAY_MS})`),
        );
      });
      this.#known.add(day);
    }
  }
}
