// Deliveries without a row. Most end within milliseconds of being made, and their rows, each in two indexes, would be
// written only to be deleted. So a narrow event's are handed to the engine as they are, and its outbox row stays until
// each of them has ended or has a row: after a crash they are made again from there, but for those whose end is in the
// log. What reads or changes the table of deliveries settles first, and never knows the difference. While everybody who is
// told of an event has enough in hand, it is not even handed out: it waits in the outbox, and its installations take it
// from there as they come to it (held-events.ts), so that a burst makes no rows for those who keep up.
import type { Database } from 'better-sqlite3';
import type { OwedDelivery } from '../rows.ts';
import type { AttemptTables } from './attempt-tables.ts';
import { HandedOut } from './handed-out.ts';
import { HeldEvents } from './held-events.ts';
import { insertOwedRow } from './owed-rows.ts';
import type { Told } from './subscribers.ts';
import type { Writer } from './writer.ts';

/** With more, some ten MB, the table is the better place. */
const MOST = 32_768;
/** So old ones get rows, for who reads the file in another process: within twice this. */
const SETTLED_AFTER_MS = 2_000;
/** Rows that one write makes. */
const ROWS_PER_WRITE = 500;
/** So many outbox rows are not left to the next record of attempts. */
const MANY_DONE = 512;
const DAY_MS = 24 * 3_600_000;

export class Unwritten {
  readonly #db: Database;
  readonly #writer: Writer;
  readonly #attempts: AttemptTables;
  readonly #insert: (delivery: OwedDelivery) => boolean;
  readonly #remove;
  readonly #handed = new HandedOut();
  /** Not handed out yet. */
  readonly held = new HeldEvents(this.#handed);
  /** Of the outbox: the last event that was handed out or held back. */
  #lastSeen = 0;
  #isOpen = false;
  /** In the transaction that is open, some may have rows that are still here; longer, where that is rolled back. */
  #mayHaveRows = false;
  /** Of the outbox when this process began to send. Without one that sends, anything may be of an earlier one. */
  #lastOfEarlier = Number.POSITIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  /** Of the last event that was handed out before the timer was set. */
  #settledUpTo = 0;

  constructor(db: Database, writer: Writer, attempts: AttemptTables) {
    this.#db = db;
    this.#writer = writer;
    this.#attempts = attempts;
    this.#insert = insertOwedRow(db);
    this.#remove = db.prepare<[string]>(
      'DELETE FROM outbox WHERE seq IN (SELECT value FROM json_each(?))',
    );
  }

  /** Somebody sends who holds the right to. What stands in the outbox, an earlier one may have handed out. */
  async open(): Promise<void> {
    await this.close();
    this.#lastOfEarlier =
      this.#db.prepare<[], number | null>('SELECT MAX(seq) FROM outbox').pluck().get() ?? 0;
    this.#isOpen = true;
  }

  /** Gives all of them rows, so that another may send. */
  async close(): Promise<void> {
    this.#isOpen = false;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    // What could not be written is in the outbox, for whoever sends next.
    await this.settle().catch(() => undefined);
    this.#handed.clear();
    this.held.clear();
    this.#lastSeen = 0;
    this.#lastOfEarlier = Number.POSITIVE_INFINITY;
  }

  /** Whether so many deliveries of an event may be handed out as they are. */
  mayHand(seq: number, deliveries: number): boolean {
    return this.#isFresh(seq) && this.#handed.size + deliveries <= MOST;
  }

  /** Those after it have been neither handed out nor held back. */
  get lastSeen(): number {
    return this.#lastSeen;
  }

  /** All that an event makes. */
  hand(seq: number, deliveries: OwedDelivery[]): void {
    this.#lastSeen = Math.max(this.#lastSeen, seq);
    this.#handed.add(seq, deliveries);
    this.#settleLater();
  }

  mayHold(seq: number, told: Told[]): boolean {
    return this.#isFresh(seq) && this.held.mayAdd(told);
  }

  hold(seq: number, told: Told[]): void {
    this.#lastSeen = seq;
    this.held.add(seq, told);
  }

  /** Inside a transaction that makes their rows: they are held no more, nor in the outbox. */
  release(events: number[]): void {
    this.#remove.run(JSON.stringify(events));
    this.#writer.afterCommit(() => {
      for (const seq of events) this.held.take(seq);
    });
  }

  /** No earlier process can have handed it out. */
  #isFresh(seq: number): boolean {
    return this.#isOpen && seq > this.#lastOfEarlier;
  }

  /** Too many outbox rows are left for nothing. */
  get hasManyDone(): boolean {
    return this.#handed.done.size >= MANY_DONE;
  }

  has(delivery: OwedDelivery): boolean {
    return this.#handed.has(delivery);
  }

  /** Inside a transaction: whether it is here, and has no row that the transaction has made. */
  hasWithoutRow(delivery: OwedDelivery): boolean {
    return !this.#mayHaveRows && this.#handed.has(delivery);
  }

  /** Inside a transaction that logs their ends. */
  ended(deliveries: OwedDelivery[]): void {
    if (deliveries.length > 0) this.#writer.afterCommit(() => this.#handed.forget(deliveries));
  }

  /** Inside a transaction: they have rows from here on, but for those that it has ended. */
  write(deliveries: OwedDelivery[]): void {
    if (deliveries.length === 0) return;
    const hasEnded = this.#endedOf(deliveries);
    this.#mayHaveRows = true;
    for (const delivery of deliveries) if (!hasEnded(delivery.id)) this.#insert(delivery);
    this.#writer.afterCommit(() => {
      this.#mayHaveRows = false;
      this.#handed.forget(deliveries);
    });
  }

  /** Inside a transaction. */
  writeOf(installationId: string): void {
    this.write(this.#handed.of(installationId));
  }

  /** Inside a transaction. */
  writeAll(): void {
    this.write(this.#handed.find(() => true, Number.POSITIVE_INFINITY));
  }

  /** Inside a transaction: outbox rows that are left for nothing. */
  removeDone(): void {
    const done = [...this.#handed.done];
    if (done.length === 0) return;
    this.#remove.run(JSON.stringify(done));
    this.#writer.afterCommit(() => this.#handed.removed(done));
  }

  /** Resolves when all of them that are asked for have a row, and no outbox row is left for nothing. */
  async settle(isAskedFor: (delivery: OwedDelivery) => boolean = () => true): Promise<void> {
    const last = this.#handed.lastPlace;
    const isOfThem = (delivery: OwedDelivery) =>
      this.#handed.wasThereAt(last, delivery) && isAskedFor(delivery);
    const next = () => this.#handed.find(isOfThem, ROWS_PER_WRITE);
    for (let some = next(); some.length > 0; some = next()) {
      await this.#writer.write(() => this.write(some), 'committed');
    }
    if (this.#handed.done.size > 0) await this.#writer.write(() => this.removeDone(), 'committed');
  }

  async settleOf(installationId: string): Promise<void> {
    if (this.#handed.of(installationId).length === 0) return;
    await this.#writer.write(() => this.writeOf(installationId), 'committed');
  }

  /** Inside a transaction. @returns whether an earlier process handed out a delivery of these events that has ended */
  endedOfEarlier(events: { seq: number; eventAt: number }[]): (id: string) => boolean {
    const earlier = events.filter(({ seq }) => seq <= this.#lastOfEarlier);
    return earlier.length > 0 ? this.#endedOf(earlier) : () => false;
  }

  #endedOf(some: { eventAt: number }[]): (id: string) => boolean {
    // The clock may have been set back since, not by days.
    const since = Math.min(...some.map(({ eventAt }) => eventAt)) - DAY_MS;
    const tables = this.#attempts.newestFirstSince(since);
    return (id) => tables.some(({ endOf }) => endOf.get(id) !== undefined);
  }

  /** What a slow endpoint, or none at all, leaves here. */
  #settleLater(): void {
    if (this.#timer || !this.#isOpen) return;
    this.#settledUpTo = this.#handed.lastPlace;
    this.#timer = setTimeout(() => void this.#settleOld(), SETTLED_AFTER_MS).unref();
  }

  async #settleOld(): Promise<void> {
    const upTo = this.#settledUpTo;
    const isOld = (delivery: OwedDelivery) => this.#handed.wasThereAt(upTo, delivery);
    for (const { installationId } of this.#handed.find(isOld, Number.POSITIVE_INFINITY))
      this.held.noteLate(installationId);
    try {
      await this.settle(isOld);
    } catch {
      // Whoever writes says what is wrong; until it is well again, the outbox has them.
    } finally {
      this.#timer = undefined;
      if (this.#handed.size > 0 || this.#handed.done.size > 0) this.#settleLater();
    }
  }
}
