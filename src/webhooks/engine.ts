// The only loop: events become deliveries, lanes take turns, attempts run, results are recorded. Everything it needs
// to go on is in the store, so it may be killed anywhere.
import type { Clock } from '../core/clock.ts';
import type { Logger } from '../core/log.ts';
import type { OwedLane } from '../store/delivery-store.ts';
import type { FoundWork, Sender, Share } from '../store/engine-store.ts';
import type { AttemptRecord, EventRow, LaneState, OwedDelivery } from '../store/rows.ts';
import type { Store } from '../store/store.ts';
import { Answers, type Notice } from './answers.ts';
import { AttemptBroken, type Attempts } from './attempts.ts';
import { Bulkhead } from './bulkhead.ts';
import { FanOut } from './fan-out.ts';
import { type Lane, SLOW_MS } from './lane.ts';
import { Lanes } from './lanes.ts';
import { Loop, RETRY_MS } from './loop.ts';
import type { EngineObserver } from './observer.ts';
import { Recorder } from './recorder.ts';
import { Refills } from './refills.ts';
import { STANDINGS, Turns } from './turns.ts';
import { Unsent } from './unsent.ts';
import { Word } from './word.ts';

export interface EngineParts {
  store: Pick<Store, 'events' | 'deliveries'>;
  attempts: Attempts;
  clock: Clock;
  random: () => number;
  log: Logger;
  observer: EngineObserver;
  /** The lifecycle call that tells an add-on that its webhooks are paused or resumed, if it wants to know. */
  notice: Notice;
  /** Such calls are owed since this moment. */
  onCallsOwed: () => void;
  /** What it sends for. Nothing is begun of what is not in it, and nothing at all while it is not held. */
  share: Pick<Share, 'isHeld' | 'includes'>;
}

/** How long the event loop is kept at most. */
const PASS_MS = 2;

export class Engine implements Sender {
  readonly #parts: EngineParts;
  readonly #loop: Loop;
  readonly #bulkhead: Bulkhead;
  readonly #lanes: Lanes;
  readonly #turns: Turns;
  readonly #recorder: Recorder;
  readonly #fanOut: FanOut;
  readonly #word: Word;
  readonly #refills: Refills;
  readonly #unsent: Unsent;
  readonly #answers: Answers;
  #watch: NodeJS.Timeout | undefined;

  constructor(parts: EngineParts) {
    const { store, attempts, clock, log, share, onCallsOwed } = parts;
    const loop = new Loop({ clock, onRound: () => this.#serve(), onTime: () => this.#lookAgain() });
    const recorder = new Recorder(store.deliveries, log, (recorded, calls) => {
      this.#recorded(recorded);
      if (calls > 0) onCallsOwed();
    });
    const bulkhead = new Bulkhead(clock, attempts);
    const lanes = new Lanes(share, bulkhead);
    const turns = new Turns({ clock, loop, bulkhead, lanes });
    const shared = { ...parts, loop, recorder, lanes, turns };
    this.#parts = parts;
    this.#loop = loop;
    this.#recorder = recorder;
    this.#bulkhead = bulkhead;
    this.#lanes = lanes;
    this.#turns = turns;
    this.#fanOut = new FanOut(shared);
    this.#word = new Word(shared);
    this.#refills = new Refills(shared);
    this.#unsent = new Unsent(shared);
    this.#answers = new Answers({ ...shared, unsent: this.#unsent });
  }

  start(): void {
    this.#loop.open();
    this.#watch = setInterval(() => this.#lookForSlowOnes(), SLOW_MS / 4);
    this.#watch.unref();
    this.wake();
  }

  /** Lets attempts under way end, and records them. */
  async stop(): Promise<void> {
    clearInterval(this.#watch);
    await this.#loop.close();
    await this.#recorder.drain();
  }

  /** Those in memory: owed something, or not well. */
  get lanes(): Iterable<Lane> {
    return this.#lanes.all;
  }

  get underWay(): number {
    return this.#bulkhead.underWay;
  }

  /** What an earlier process left, or another has handed over. */
  taken(lanes: OwedLane[]): void {
    this.#turns.taken(lanes);
  }

  letGo(): void {
    for (const lane of this.#lanes.all) this.#lanes.letGoOf(lane);
  }

  lingering(): string[] {
    return this.#lanes.lingering();
  }

  mayOweMore(): void {
    this.#fanOut.mayOweMore();
    this.#loop.goRound();
  }

  /** Events may have been published, or what is owed may have changed. */
  wake(): void {
    this.#fanOut.wake();
    this.#loop.goRound();
  }

  /** What is being published need not be read again. */
  remember(event: EventRow, scopesToSeeAll: string[] | undefined): void {
    if (this.#loop.isOpen) this.#parts.attempts.remember(event, scopesToSeeAll);
  }

  /** Something was made due for this installation by others, or what kept it from being sent is gone. */
  expect(installationId: string, state?: LaneState): void {
    const lane = state && this.#lanes.findOwn(installationId);
    if (lane) {
      Object.assign(lane.state, state);
      // What is on its way to the store of before comes after this otherwise.
      this.#recorder.note(lane.state);
      this.#bulkhead.stand(lane);
    }
    this.#turns.expect(installationId);
  }

  /** What others have left to do. @returns whether there is more than that */
  hear(look: () => Promise<FoundWork | undefined>): Promise<boolean> {
    return this.#word.hear(look);
  }

  #lookAgain(): void {
    this.#fanOut.goOn();
    this.#loop.goRound();
    // The clock may have been set back meanwhile.
    this.#turns.sleep();
  }

  #serve(): void {
    if (!this.#loop.isOpen || this.#recorder.isBehind || !this.#parts.share.isHeld()) return;
    const now = this.#parts.clock.now();
    this.#turns.bringUp(now);
    if (this.#turns.hasAny()) this.#servePass(now);
    // The product's own requests come in between.
    if (this.#turns.hasAny()) this.#loop.goRound();
    this.#turns.sleep();
  }

  #servePass(now: number): void {
    const endsAt = performance.now() + PASS_MS;
    for (const standing of STANDINGS) {
      while (this.#turns.hasOne(standing) && performance.now() < endsAt)
        this.#serveLane(this.#turns.next(standing), now);
    }
  }

  #serveLane(lane: Lane, now: number): void {
    if (this.#lanes.letGoOf(lane)) return;
    lane.beginTurn();
    while (lane.hasCredit && this.#bulkhead.mayEnter(lane)) {
      if (lane.needsRefill(now)) {
        void this.#refills.refill(lane, now);
        return;
      }
      const isProbe = lane.isProbing;
      const delivery = this.#lanes.take(lane, now);
      if (!delivery) break;
      void this.#attempt(lane, delivery, isProbe);
      if (isProbe) break;
    }
    // Without a slot for it now, it is arranged again when one of its own comes back.
    if (this.#bulkhead.hasRoomForMoreOf(lane)) this.#turns.arrange(lane);
  }

  async #attempt(lane: Lane, delivery: OwedDelivery, isProbe: boolean): Promise<void> {
    const { attempts, observer, random } = this.#parts;
    this.#loop.begin();
    const endpoint = this.#bulkhead.enter(lane);
    try {
      const attempted = await attempts.make(delivery, isProbe, random());
      observer.attempted(attempted);
      this.#answers.learn(lane, endpoint, attempted, isProbe);
      lane.charge(attempted.bytes);
      this.#recorder.add(attempted.record);
      if (attempted.refusal) void this.#unsent.endRefused(lane, attempted.refusal);
    } catch (error) {
      this.#broken(lane, delivery, error);
    } finally {
      lane.ended(delivery.id);
      this.#bulkhead.leave(lane, endpoint);
      if (endpoint) this.#turns.bringUpBeside(endpoint);
      this.#bulkhead.stand(lane);
      this.#turns.arrange(lane);
      this.#loop.end();
      this.#loop.goRound();
    }
  }

  /** A fault of the host, not of the add-on: no attempt is counted. */
  #broken(lane: Lane, { id, eventId }: OwedDelivery, error: unknown): void {
    const { clock, log } = this.#parts;
    const { traceId, cause } = error instanceof AttemptBroken ? error : { cause: error };
    log.error(
      { err: cause, delivery: id, event: eventId, traceId },
      'a delivery failed inside the host; trying again',
    );
    lane.release(id);
    lane.expect(clock.now() + RETRY_MS);
  }

  #recorded(attempts: Pick<AttemptRecord, 'delivery' | 'nextDueAt' | 'outcome'>[]): void {
    for (const { delivery, nextDueAt, outcome } of attempts) {
      const lane = this.#lanes.of(delivery.installationId);
      lane.release(delivery.id);
      this.#word.recorded(delivery.id);
      if (nextDueAt !== null) lane.expect(nextDueAt);
      // A probe that failed is still due; the next of an order is due now.
      else if (outcome === 'retry' || delivery.orderingKey !== null)
        lane.expect(this.#parts.clock.now());
      this.#turns.arrange(lane);
    }
    this.#fanOut.goOn();
    this.#loop.goRound();
  }

  #lookForSlowOnes(): void {
    if (this.#bulkhead.underWay === 0) return;
    this.#bulkhead.lookForSlowOnes();
    this.#loop.goRound();
  }
}
