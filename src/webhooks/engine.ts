// The only loop: events become deliveries, lanes take turns, attempts run, results are recorded. Everything
// it needs to go on is in the store, so it may be killed anywhere.
import type { Logger } from '../core/log.ts';
import type { AttemptRecord, OwedDelivery } from '../store/rows.ts';
import type { Store } from '../store/store.ts';
import { type AttemptParts, attempt } from './attempt.ts';
import { Lane } from './lane.ts';
import { Recorder } from './recorder.ts';

export interface EngineParts extends AttemptParts {
  store: Pick<Store, 'events' | 'deliveries'>;
  log: Logger;
}

/** Attempts under way at once. */
const CONCURRENCY = 64;
const EVENTS_PER_PASS = 64;
/** How long a delivery is owed. */
export const DELIVERY_LIFETIME_MS = 72 * 3_600_000;
const RETRY_MS = 1_000;
const LONGEST_SLEEP_MS = 60_000;

export class Engine {
  readonly #parts: EngineParts;
  readonly #lanes = new Map<string, Lane>();
  readonly #recorder: Recorder;
  #underWay = 0;
  #mayHaveEvents = true;
  #isOpen = false;
  #isTurning = false;
  #isWanted = false;
  #timer: NodeJS.Timeout | undefined;
  #idle: (() => void)[] = [];

  constructor(parts: EngineParts) {
    this.#parts = parts;
    this.#recorder = new Recorder(parts.store.deliveries, parts.log, (records) =>
      this.#recorded(records),
    );
  }

  /** Finds by their presence what an earlier process left. */
  async start(): Promise<void> {
    for (const { installationId, dueAt } of await this.#parts.store.deliveries.lanes()) {
      this.#lanes.set(installationId, new Lane(installationId, dueAt));
    }
    this.#isOpen = true;
    this.wake();
  }

  /** Events may have been published, or what is owed may have changed. */
  wake(): void {
    this.#mayHaveEvents = true;
    this.#turn();
  }

  /** Lets attempts under way end, and records them. */
  async stop(): Promise<void> {
    this.#isOpen = false;
    clearTimeout(this.#timer);
    while (this.#isTurning || this.#underWay > 0) {
      await new Promise<void>((resolve) => {
        this.#idle.push(resolve);
      });
    }
    await this.#recorder.drain();
  }

  /** One turn at a time; asked for again while turning, it turns once more. */
  #turn(): void {
    this.#isWanted = true;
    if (this.#isTurning || !this.#isOpen) return;
    this.#isTurning = true;
    void this.#turns().finally(() => {
      this.#isTurning = false;
      this.#tellIdle();
    });
  }

  async #turns(): Promise<void> {
    while (this.#isWanted && this.#isOpen) {
      this.#isWanted = false;
      try {
        if (this.#mayHaveEvents) await this.#fanOut();
        await this.#startAttempts();
        this.#sleep();
      } catch (error) {
        this.#parts.log.error(
          { err: error },
          'the delivery engine could not read its store; trying again',
        );
        this.#wakeIn(RETRY_MS);
      }
    }
  }

  async #fanOut(): Promise<void> {
    const now = this.#parts.clock.now();
    const { events, installations } = await this.#parts.store.events.fanOut(
      EVENTS_PER_PASS,
      now,
      DELIVERY_LIFETIME_MS,
    );
    for (const id of installations) this.#laneOf(id, now).expect(now);
    this.#mayHaveEvents = events > 0;
    // Sending comes between two passes: a flood of events must not hold up what is owed already.
    if (events > 0) this.#isWanted = true;
  }

  #laneOf(installationId: string, dueAt: number): Lane {
    let lane = this.#lanes.get(installationId);
    if (!lane) {
      lane = new Lane(installationId, dueAt);
      this.#lanes.set(installationId, lane);
    }
    return lane;
  }

  /** Lanes take turns, one delivery each, until the slots are full or nobody has anything due. */
  async #startAttempts(): Promise<void> {
    const now = this.#parts.clock.now();
    let someoneHadWork = true;
    while (someoneHadWork && this.#hasRoom()) {
      someoneHadWork = false;
      for (const lane of [...this.#lanes.values()]) {
        if (!this.#hasRoom()) break;
        if (!lane.canTake(now)) continue;
        if (lane.needsRefill) {
          const { due, nextDueAt } = await this.#parts.store.deliveries.window(
            lane.installationId,
            now,
            lane.refillLimit,
          );
          lane.refill(due, nextDueAt);
        }
        const delivery = lane.take();
        if (delivery) {
          someoneHadWork = true;
          void this.#attempt(lane, delivery);
        } else if (lane.isEmpty) {
          this.#lanes.delete(lane.installationId);
        }
      }
    }
    this.#rotate();
  }

  #hasRoom(): boolean {
    return this.#isOpen && !this.#recorder.isFailing && this.#underWay < CONCURRENCY;
  }

  /** Whoever was first this time is last the next. */
  #rotate(): void {
    const first = this.#lanes.entries().next().value;
    if (!first || this.#lanes.size < 2) return;
    this.#lanes.delete(first[0]);
    this.#lanes.set(first[0], first[1]);
  }

  async #attempt(lane: Lane, delivery: OwedDelivery): Promise<void> {
    this.#underWay++;
    try {
      const { record, silentUntil } = await attempt(delivery, this.#parts);
      if (silentUntil !== null) lane.silentUntil = Math.max(lane.silentUntil, silentUntil);
      this.#recorder.add(record);
    } catch (error) {
      // A fault of the host, not of the add-on: no attempt is counted.
      this.#parts.log.error(
        { err: error, delivery: delivery.id },
        'a delivery failed inside the host; trying again',
      );
      lane.release(delivery.id);
      lane.expect(this.#parts.clock.now() + RETRY_MS);
    } finally {
      this.#underWay--;
      this.#tellIdle();
      this.#turn();
    }
  }

  #recorded(records: AttemptRecord[]): void {
    for (const { delivery, nextDueAt } of records) {
      const lane = this.#lanes.get(delivery.installationId);
      lane?.release(delivery.id);
      if (nextDueAt !== null) this.#laneOf(delivery.installationId, nextDueAt).expect(nextDueAt);
      else if (lane?.isEmpty) this.#lanes.delete(delivery.installationId);
    }
    this.#turn();
  }

  #sleep(): void {
    clearTimeout(this.#timer);
    // Without room, an attempt that ends turns again.
    if (!this.#hasRoom()) return;
    const now = this.#parts.clock.now();
    let earliest: number | undefined;
    for (const lane of this.#lanes.values()) {
      const at = lane.wakeAt(now);
      if (at !== undefined) earliest = Math.min(earliest ?? at, at);
    }
    // What became due since the lanes were looked at is due at once, not never.
    if (earliest !== undefined) this.#wakeIn(Math.max(earliest - now, 0));
  }

  #wakeIn(ms: number): void {
    clearTimeout(this.#timer);
    if (this.#isOpen) this.#timer = setTimeout(() => this.#turn(), Math.min(ms, LONGEST_SLEEP_MS));
  }

  #tellIdle(): void {
    for (const tell of this.#idle.splice(0)) tell();
  }
}
