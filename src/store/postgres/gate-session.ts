// One gate while it is open: its row in mortise.gates, what it has been told of, and how long ago (gate-changes.ts says
// why that is enough).
import { setTimeout as sleep } from 'node:timers/promises';
import sql from 'sql-template-tag';
import type { MortiseError } from '../../core/errors.ts';
import { newId } from '../../core/ids.ts';
import { elapsed, NEVER, now } from './clocks.ts';
import { type Database, RELAXED } from './database.ts';
import { FRESH_MS } from './gate-changes.ts';
import { GateSweep } from './gate-sweep.ts';
import { lifetimeOf } from './lifetime.ts';

/** What became of the server meanwhile nobody knows. */
const LOST = /^(store_unreachable|database_.*)$/;
const LOOK_EVERY_MS = 50;
/** After a look that failed. */
const RETRY_MS = 250;
const BEAT_EVERY_MS = 5_000;
/** Far less than a row without a beat is kept for (gate-sweep.ts), and with it the changes after what it has seen. */
const LONGEST_WITHOUT_BEAT_MS = 10_000;
/** Installations whose epoch is known. One that is not is looked at before the next send. */
const MOST_KNOWN = 50_000;

export class GateSession {
  readonly #db: Database;
  readonly #id = newId();
  readonly #sweep = new GateSweep();
  /** The highest epoch heard of; 0 while the first is on its way. */
  readonly #known = new Map<string, number>();
  /** The snapshot up to which changes are known. */
  #seen: string | undefined;
  /** Of PostgreSQL, in which it has seen that. */
  #lifetime: string | undefined;
  #beats = 0;
  #lookBegan = NEVER;
  #beatBegan = NEVER;
  #looking: Promise<void> | undefined;
  #isOpen = true;

  constructor(db: Database) {
    this.#db = db;
    void this.#run();
  }

  /** Synchronous: whether this is the epoch of the installation, and that is certain. */
  isCurrent(installationId: string, epoch: number): boolean {
    return this.#isFresh(FRESH_MS) && this.#known.get(installationId) === epoch;
  }

  /** Of PostgreSQL, in which it has looked last; undefined: it has not. */
  get lifetime(): string | undefined {
    return this.#lifetime;
  }

  /** Looks, if the last look was not just now. @throws store_unreachable, store_busy */
  async refresh(): Promise<void> {
    if (this.#isFresh(FRESH_MS / 2)) return;
    await this.#looking?.catch(() => undefined);
    if (!this.#isFresh(FRESH_MS / 2)) await this.#look();
  }

  /** Before an installation is read: changes of it are heard of from here on. */
  expect(installationId: string): void {
    const epoch = this.#known.get(installationId) ?? 0;
    this.#known.delete(installationId);
    this.#known.set(installationId, epoch);
    if (this.#known.size > MOST_KNOWN) this.#known.delete(this.#known.keys().next().value!);
  }

  /** After it was read. @returns false if changes of it may have been missed: it has to be read again */
  learn(installationId: string, epoch: number): boolean {
    const known = this.#known.get(installationId);
    if (known === undefined) return false;
    this.#known.set(installationId, Math.max(known, epoch));
    return true;
  }

  /** Shut in the moment of the call. */
  async close(): Promise<void> {
    this.#isOpen = false;
    this.#lookBegan = NEVER;
    await this.#looking?.catch(() => undefined);
    // If that fails, others wait a little longer for some seconds, and sweep it then.
    await this.#db.run(sql`DELETE FROM mortise.gates WHERE id = ${this.#id}`).catch(() => 0);
  }

  #isFresh(ms: number): boolean {
    return (
      this.#isOpen &&
      elapsed(this.#lookBegan) <= ms &&
      elapsed(this.#beatBegan) <= LONGEST_WITHOUT_BEAT_MS
    );
  }

  async #run(): Promise<void> {
    while (this.#isOpen) {
      const began = performance.now();
      const hasLooked = await this.#look().then(
        () => true,
        () => false,
      );
      const pause = hasLooked ? LOOK_EVERY_MS - (performance.now() - began) : RETRY_MS;
      await sleep(Math.max(pause, 1), undefined, { ref: false });
    }
  }

  #look(): Promise<void> {
    this.#looking ??= this.#lookOnce()
      .catch((error) => {
        if (LOST.test((error as MortiseError).code)) this.#forget();
        throw error;
      })
      .finally(() => {
        this.#looking = undefined;
      });
    return this.#looking;
  }

  async #lookOnce(): Promise<void> {
    if (!this.#isOpen) return;
    if (elapsed(this.#beatBegan) >= BEAT_EVERY_MS) await this.#beat();
    const began = now();
    const rows = await this.#db.all<Look>(sql`SELECT pg_current_snapshot()::text AS seen, g.beats,
        (SELECT id FROM mortise.lifetime) AS lifetime, c.installation_id AS "installationId", c.epoch
      FROM (SELECT 1) one LEFT JOIN mortise.gates g ON g.id = ${this.#id}
      LEFT JOIN mortise.gate_changes c ON c.xid >= pg_snapshot_xmin(${this.#seen}::pg_snapshot)
        AND NOT pg_visible_in_snapshot(c.xid, ${this.#seen}::pg_snapshot)`);
    const isKnown = rows[0]!.beats === this.#beats && rows[0]!.lifetime === this.#lifetime;
    if (!isKnown) return this.#forget();
    for (const { installationId, epoch } of rows) {
      if (installationId === null) continue;
      const known = this.#known.get(installationId);
      if (known !== undefined) this.#known.set(installationId, Math.max(known, epoch!));
    }
    this.#seen = rows[0]!.seen;
    if (this.#isOpen) this.#lookBegan = began;
    if (rows[0]!.installationId !== null) await this.#say();
  }

  /** Only what is taken in is said to be seen, so not with the look that brought it. If it is lost, others wait longer. */
  #say(): Promise<unknown> {
    return this.#db.alone(
      sql`UPDATE mortise.gates SET seen = ${this.#seen}::pg_snapshot WHERE id = ${this.#id} RETURNING ${RELAXED}`,
    );
  }

  async #beat(): Promise<void> {
    const began = now();
    if (elapsed(this.#beatBegan) > LONGEST_WITHOUT_BEAT_MS) this.#forget();
    const lifetime = await this.#db.transaction(lifetimeOf);
    if (lifetime !== this.#lifetime) this.#forget();
    const row = await this.#db.transaction(
      (tx) =>
        tx.get<{
          seen: string;
          beats: number;
        }>(sql`INSERT INTO mortise.gates AS g (id, seen, lifetime)
        VALUES (${this.#id}, COALESCE(${this.#seen}::pg_snapshot, pg_current_snapshot()), ${lifetime})
        ON CONFLICT (id) DO UPDATE SET seen = excluded.seen, lifetime = excluded.lifetime, beats = g.beats + 1
        RETURNING seen::text, beats`),
      'durable',
    );
    this.#lifetime = lifetime;
    this.#seen = row!.seen;
    this.#beats = row!.beats;
    this.#beatBegan = began;
    await this.#sweep.sweep(this.#db);
  }

  /**
   * Others may have taken this one for dead, and let go of what it has not seen. Or another server, or the same after a
   * crash, gives ids of transactions again that have been seen already: their changes would be missed. It begins anew.
   */
  #forget(): void {
    this.#known.clear();
    this.#seen = undefined;
    this.#lookBegan = NEVER;
    this.#beatBegan = NEVER;
  }
}

interface Look {
  seen: string;
  beats: number | null;
  lifetime: string | null;
  installationId: string | null;
  epoch: number | null;
}
