// One installation's queue, in memory: a small window of what is due, what is under way, and how its endpoint fares.
// Memory grows with the number of lanes that have work, not with the backlog.
import type { LaneState, OwedDelivery } from '../store/rows.ts';
import type { Endpoint } from './endpoint.ts';
import { blockedUntil, wellLane } from './health.ts';
import type { Standing } from './slots.ts';

/** Deliveries in hand of one lane at most, and of all; read from the table at once. */
const MOST_IN_HAND = 8_192;
export const ALL_IN_HAND = 32_768;
const FEWEST_READ = 16;
const MOST_READ = 256;
/** An attempt that has not ended by then makes its lane a slow one. */
export const SLOW_MS = 1_000;
/** What one lane may spend in its turn: first attempts cost 1 and more by size, retries and replays four times that. */
const QUANTUM = 8;
const SECOND_CLASS = 4;
const COST_BYTES = 64 * 1024;

export class Lane {
  readonly installationId: string;
  readonly state: LaneState;
  /** Known once something was sent there. */
  endpoint: Endpoint | undefined;
  standing: Standing = 'untried';
  /** Well, since this process runs. */
  hasAnswered = false;
  /** Where the lane waits for its turn, if it does. */
  queuedAs: Standing | undefined;
  /** When the timeline brings it up again. */
  waitsUntil: number | undefined;
  isRefilling = false;
  /** What is owed is being ended in chunks. */
  isEnding = false;
  /** When something in the table is due that is not in the window; undefined when nothing is known to be. */
  #dueAt: number | undefined;
  #window: OwedDelivery[] = [];
  /** The first of the window that is not taken. */
  #next = 0;
  /** Taken and not recorded yet, each with the replay that owes it: still in the table, so a refill must leave them out. */
  readonly #taken = new Map<string, string | null>();
  /** Of those: ended with others meanwhile, and owed again by another replay. */
  readonly #owedAgain = new Set<string>();
  readonly #startedAt = new Map<string, number>();
  /** Recorded while the table was being read, each with the replay that owed it: what was read of them is of before. */
  readonly #goneMeanwhile = new Map<string, string | null>();
  #credit = 0;
  /** By the steady clock. */
  #refilledAt = Number.NEGATIVE_INFINITY;

  constructor(installationId: string, state: LaneState = wellLane(installationId)) {
    this.installationId = installationId;
    this.state = state;
    if (state.failures > 0) this.standing = 'troubled';
  }

  get underWay(): number {
    return this.#startedAt.size;
  }

  get isEmpty(): boolean {
    return (
      this.inHand === 0 && this.#taken.size === 0 && this.#dueAt === undefined && !this.isRefilling
    );
  }

  /** Something in the table becomes due. */
  expect(at: number): void {
    this.#dueAt = this.#dueAt === undefined ? at : Math.min(this.#dueAt, at);
  }

  /**
   * Owed since a moment ago. Kept in hand if there is room and nothing older waits in the table.
   * @param since by the steady clock, when making it owed began.
   */
  hand(delivery: OwedDelivery, hasRoom: boolean, since: number): void {
    const isBehind = this.#dueAt !== undefined && this.#dueAt <= delivery.dueAt;
    const isFull = !hasRoom || this.inHand >= MOST_IN_HAND;
    // What has read the table since may have seen it before this was heard of, and it may be sent and recorded already.
    const mayBeKnown = this.isRefilling || this.#refilledAt >= since;
    // Whether an earlier one of its order is owed, only the table knows.
    const isOrdered = delivery.orderingKey !== null;
    if (isBehind || isFull || mayBeKnown || isOrdered) this.expect(delivery.dueAt);
    else this.#window.push(delivery);
  }

  get inHand(): number {
    return this.#window.length - this.#next;
  }

  /** When the next may be taken; undefined: nothing is owed. */
  readyAt(now: number): number | undefined {
    const due = this.inHand > 0 ? now : this.#dueAt;
    if (due === undefined) return undefined;
    return Math.max(due, blockedUntil(this.state) ?? 0);
  }

  needsRefill(now: number): boolean {
    return this.inHand === 0 && this.#dueAt !== undefined && this.#dueAt <= now;
  }

  /** Rows to ask the store for, with so much room for all lanes: those taken come back with the others. */
  refillLimit(room: number): number {
    const fair = Math.min(MOST_READ, Math.max(FEWEST_READ, room >> 4));
    return fair + this.#taken.size;
  }

  /** The table is being read; what becomes due meanwhile is expected anew. */
  beginRefill(): void {
    this.isRefilling = true;
    this.#dueAt = undefined;
    this.#goneMeanwhile.clear();
  }

  refill(rows: OwedDelivery[], nextDueAt: number | undefined): void {
    this.isRefilling = false;
    this.#refilledAt = performance.now();
    const inHand = new Set(this.#window.slice(this.#next).map(({ id }) => id));
    for (const row of rows) {
      const takenFor = this.#taken.get(row.id);
      if (takenFor !== undefined && takenFor !== row.replayId) this.#owedAgain.add(row.id);
      const isGone = this.#goneMeanwhile.get(row.id) === row.replayId;
      const isKnown = takenFor !== undefined || inHand.has(row.id) || isGone;
      if (!isKnown) this.#window.push(row);
    }
    if (nextDueAt !== undefined) this.expect(nextDueAt);
  }

  /** It could not be read. */
  refillFailed(now: number): void {
    this.isRefilling = false;
    this.expect(now);
  }

  /** A turn begins: deficit round robin, paid after the fact, since a payload's size is known when it is read. */
  beginTurn(): void {
    this.#credit = Math.min(this.#credit + QUANTUM, QUANTUM);
  }

  get hasCredit(): boolean {
    return this.#credit > 0;
  }

  /** While the breaker is open or half open, one at a time. */
  get isProbing(): boolean {
    return this.state.openUntil !== null;
  }

  take(now: number): OwedDelivery | undefined {
    const delivery = this.#window[this.#next];
    if (!delivery) return undefined;
    if (++this.#next === this.#window.length) {
      this.#window = [];
      this.#next = 0;
    }
    this.#taken.set(delivery.id, delivery.replayId);
    this.#startedAt.set(delivery.id, now);
    this.#credit -= isSecondClass(delivery) ? SECOND_CLASS : 1;
    return delivery;
  }

  charge(bytes: number): void {
    this.#credit -= bytes / COST_BYTES;
  }

  /** The attempt is over; until it is recorded, the row is still in the table. */
  ended(deliveryId: string): void {
    this.#startedAt.delete(deliveryId);
  }

  /** The attempt is recorded, or given up before it began. */
  release(deliveryId: string): void {
    this.#startedAt.delete(deliveryId);
    const takenFor = this.#taken.get(deliveryId);
    this.#taken.delete(deliveryId);
    if (this.#owedAgain.delete(deliveryId)) this.expect(0);
    if (this.isRefilling && takenFor !== undefined) this.#goneMeanwhile.set(deliveryId, takenFor);
  }

  /** Whether something under way takes too long. */
  isSlow(now: number): boolean {
    const oldest = this.#startedAt.values().next().value;
    return oldest !== undefined && now - oldest > SLOW_MS;
  }

  /** Under way, or not recorded yet. */
  hasTaken(deliveryId: string): boolean {
    return this.#taken.has(deliveryId);
  }

  /** Nothing is under way, not recorded, or being read or ended. */
  get isQuiet(): boolean {
    return this.#taken.size === 0 && !this.isRefilling && !this.isEnding;
  }

  /** Others see to what it is owed. */
  letGo(): void {
    this.#window = [];
    this.#next = 0;
    this.#dueAt = undefined;
  }

  /** What is in hand goes back to the table. */
  putBack(now: number): void {
    if (this.inHand === 0) return;
    this.#window = [];
    this.#next = 0;
    this.expect(now);
  }
}

function isSecondClass({ attempts, replayId }: OwedDelivery): boolean {
  return attempts > 0 || replayId !== null;
}
