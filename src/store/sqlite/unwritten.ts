// Deliveries without a row. Most end within milliseconds of being made, and their rows, each in two indexes, would be
// written only to be deleted. So a narrow event's are handed to the engine as they are, and its outbox row stays until
// each of them has ended or has a row: after a crash they are made again from there, but for those whose end is in the
// log. What reads or changes the table of deliveries settles first, and never knows the difference.
import type { Database } from 'better-sqlite3';
import type { OwedDelivery } from '../rows.ts';
import type { AttemptTables } from './attempt-tables.ts';
import { insertOwedRow } from './owed-rows.ts';
import type { Writer } from './writer.ts';

/** With more, the table is the better place. */
const MOST = 8_192;
/** Who reads the file in another process sees of each what it is after this, twice over at most. */
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
  /** By installation and id. */
  readonly #lanes = new Map<string, Map<string, OwedDelivery>>();
  #size = 0;
  /** How many of each event, by its number, have neither ended nor a row. */
  readonly #left = new Map<number, number>();
  /** Events that have none left, whose outbox row is still there. */
  readonly #done = new Set<number>();
  #isOpen = false;
  #lastHanded = 0;
  /** Of the outbox when this process began to send. Without one that sends, anything may be of an earlier one. */
  #lastOfEarlier = Number.POSITIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  /** The last event that was handed out before the timer was set. */
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
    this.#forgetAll();
    this.#lastOfEarlier = Number.POSITIVE_INFINITY;
  }

  /** Whether so many deliveries of an event may be handed out as they are. */
  mayHand(seq: number, deliveries: number): boolean {
    return this.#isOpen && seq > this.#lastOfEarlier && this.#size + deliveries <= MOST;
  }

  /** Of the events that have been handed out the last. */
  get lastHanded(): number {
    return this.#lastHanded;
  }

  hand(seq: number, deliveries: OwedDelivery[]): void {
    this.#lastHanded = seq;
    if (deliveries.length === 0) this.#done.add(seq);
    else this.#left.set(seq, deliveries.length);
    for (const delivery of deliveries) {
      const { installationId, id } = delivery;
      let lane = this.#lanes.get(installationId);
      if (!lane) {
        lane = new Map();
        this.#lanes.set(installationId, lane);
      }
      lane.set(id, delivery);
    }
    this.#size += deliveries.length;
    this.#settleLater();
  }

  /** Too many outbox rows are left for nothing. */
  get hasManyDone(): boolean {
    return this.#done.size >= MANY_DONE;
  }

  has({ installationId, id, replayId }: OwedDelivery): boolean {
    return replayId === null && this.#lanes.get(installationId)?.has(id) === true;
  }

  hasOf(installationId: string): boolean {
    return this.#lanes.has(installationId);
  }

  /** Inside a transaction that logs their ends. */
  ended(deliveries: OwedDelivery[]): void {
    if (deliveries.length > 0) this.#writer.afterCommit(() => this.#forget(deliveries));
  }

  /** Inside a transaction: they have rows from here on, but for those that it has ended. */
  write(deliveries: OwedDelivery[]): void {
    if (deliveries.length === 0) return;
    const hasEnded = this.#endedSince(Math.min(...deliveries.map(({ eventAt }) => eventAt)));
    for (const delivery of deliveries) if (!hasEnded(delivery.id)) this.#insert(delivery);
    this.#writer.afterCommit(() => this.#forget(deliveries));
  }

  /** Inside a transaction. */
  writeOf(installationId: string): void {
    this.write([...(this.#lanes.get(installationId)?.values() ?? [])]);
  }

  /** Inside a transaction. */
  writeAll(): void {
    this.write(this.#find(() => true, Number.POSITIVE_INFINITY));
  }

  /** Inside a transaction: outbox rows that are left for nothing. */
  removeDone(): void {
    if (this.#done.size === 0) return;
    const done = [...this.#done];
    this.#remove.run(JSON.stringify(done));
    this.#writer.afterCommit(() => {
      for (const seq of done) this.#done.delete(seq);
    });
  }

  /** Resolves when all of them that are asked for have a row, and no outbox row is left for nothing. */
  async settle(isAskedFor: (delivery: OwedDelivery) => boolean = () => true): Promise<void> {
    const last = this.#lastHanded;
    const isOfThem = (delivery: OwedDelivery) => delivery.eventSeq <= last && isAskedFor(delivery);
    for (let some = this.#find(isOfThem); some.length > 0; some = this.#find(isOfThem)) {
      await this.#writer.write(() => this.write(some), 'committed');
    }
    if (this.#done.size > 0) await this.#writer.write(() => this.removeDone(), 'committed');
  }

  async settleOf(installationId: string): Promise<void> {
    if (!this.hasOf(installationId)) return;
    await this.#writer.write(() => this.writeOf(installationId), 'committed');
  }

  /** Inside a transaction. @returns whether an earlier process handed out a delivery of this event that has ended */
  endedOfEarlier(seq: number, eventAt: number): (id: string) => boolean {
    return seq <= this.#lastOfEarlier ? this.#endedSince(eventAt) : () => false;
  }

  #endedSince(eventAt: number): (id: string) => boolean {
    // The clock may have been set back since, not by days.
    const tables = this.#attempts.newestFirstSince(eventAt - DAY_MS);
    return (id) => tables.some(({ endOf }) => endOf.get(id) !== undefined);
  }

  #find(isAskedFor: (delivery: OwedDelivery) => boolean, most = ROWS_PER_WRITE): OwedDelivery[] {
    const found: OwedDelivery[] = [];
    for (const lane of this.#lanes.values()) {
      for (const delivery of lane.values()) {
        if (found.length >= most) return found;
        if (isAskedFor(delivery)) found.push(delivery);
      }
    }
    return found;
  }

  #forget(deliveries: OwedDelivery[]): void {
    for (const { installationId, id, eventSeq } of deliveries) {
      const lane = this.#lanes.get(installationId);
      if (!lane?.delete(id)) continue;
      if (lane.size === 0) this.#lanes.delete(installationId);
      this.#size--;
      const left = this.#left.get(eventSeq)! - 1;
      if (left > 0) this.#left.set(eventSeq, left);
      else {
        this.#left.delete(eventSeq);
        this.#done.add(eventSeq);
      }
    }
  }

  #forgetAll(): void {
    this.#lanes.clear();
    this.#left.clear();
    this.#done.clear();
    this.#size = 0;
    this.#lastHanded = 0;
  }

  /** What a slow endpoint, or none at all, leaves here. */
  #settleLater(): void {
    if (this.#timer || !this.#isOpen) return;
    this.#settledUpTo = this.#lastHanded;
    this.#timer = setTimeout(() => void this.#settleOld(), SETTLED_AFTER_MS).unref();
  }

  async #settleOld(): Promise<void> {
    const upTo = this.#settledUpTo;
    try {
      await this.settle(({ eventSeq }) => eventSeq <= upTo);
    } catch {
      // Whoever writes says what is wrong; until it is well again, the outbox has them.
    } finally {
      this.#timer = undefined;
      if (this.#size > 0 || this.#done.size > 0) this.#settleLater();
    }
  }
}
