// Lets go of gates whose process is gone, and of changes that every gate has seen. A gate is gone when its row has not
// changed for long, by the watch of whoever looks: clocks of several machines are not compared.
import sql from 'sql-template-tag';
import type { Database } from './database.ts';

const GONE_AFTER_MS = 30_000;

export class GateSweep {
  readonly #goneAfterMs: number;
  /** By id: how many beats, and since when it is these. */
  #watched = new Map<string, { beats: number; since: number }>();

  constructor(goneAfterMs = GONE_AFTER_MS) {
    this.#goneAfterMs = goneAfterMs;
  }

  async sweep(db: Database): Promise<void> {
    const now = performance.now();
    const gates = await db.all<{ id: string; beats: number }>(
      sql`SELECT id, beats FROM mortise.gates`,
    );
    this.#watched = new Map(
      gates.map(({ id, beats }) => {
        const before = this.#watched.get(id);
        return [id, before?.beats === beats ? before : { beats, since: now }];
      }),
    );
    for (const [id, { beats, since }] of this.#watched) {
      if (now - since < this.#goneAfterMs) continue;
      await db.run(sql`DELETE FROM mortise.gates WHERE id = ${id} AND beats = ${beats}`);
    }
    // In a database that was restored from a dump, numbers of transactions begin anew: what is above them is of before.
    const isOver = sql`xid < ALL (SELECT pg_snapshot_xmin(seen) FROM mortise.gates)
      OR xid >= pg_snapshot_xmax(pg_current_snapshot())`;
    const some = await db.get(sql`SELECT 1 FROM mortise.gate_changes WHERE ${isOver} LIMIT 1`);
    if (some) await db.run(sql`DELETE FROM mortise.gate_changes WHERE ${isOver}`);
  }
}
