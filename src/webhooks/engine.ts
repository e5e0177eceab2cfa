// The only loop: events become deliveries, lanes take turns, attempts run, results are recorded. Everything it needs
// to go on is in the store, so it may be killed anywhere.
import type { Clock } from '../core/clock.ts';
import type { Logger } from '../core/log.ts';
import type {
  AttemptRecord,
  EventRow,
  LaneState,
  LifecycleCall,
  OwedDelivery,
} from '../store/rows.ts';
import type { FoundWork, OwedLane, Sender, Share, Store, Unsendable } from '../store/store.ts';
import { type Attempted, EXPIRED, type Refusal } from './attempt.ts';
import { AttemptBroken, type Attempts } from './attempts.ts';
import { Endpoint } from './endpoint.ts';
import { blockedUntil, type Change, fail, isWell, silence, succeed } from './health.ts';
import { ALL_IN_HAND, Lane, SLOW_MS } from './lane.ts';
import type { EngineObserver } from './observer.ts';
import { Recorder } from './recorder.ts';
import { Slots, type Standing } from './slots.ts';
import { Timeline } from './timeline.ts';

export interface EngineParts {
  store: Pick<Store, 'events' | 'deliveries'>;
  attempts: Attempts;
  clock: Clock;
  random: () => number;
  log: Logger;
  observer: EngineObserver;
  /** The lifecycle call that tells an add-on that its webhooks are paused or resumed, if it wants to know. */
  notice: (
    installationId: string,
    kind: 'webhooksPaused' | 'webhooksResumed',
  ) => Promise<LifecycleCall | undefined>;
  /** Such calls are owed since this moment. */
  onCallsOwed: () => void;
  /** What it sends for. Nothing is begun of what is not in it, and nothing at all while it is not held. */
  share: Pick<Share, 'isHeld' | 'includes'>;
}

const EVENTS_PER_PASS = 256;
/** How long a delivery is owed. */
export const DELIVERY_LIFETIME_MS = 72 * 3_600_000;
const RETRY_MS = 1_000;
/** Kept though nothing is under way to them. */
const MOST_ENDPOINTS = 1_000;
/** How long the event loop is kept at most. */
const PASS_MS = 2;
/** A clock that was set ahead is noticed by looking at it. */
const LONGEST_SLEEP_MS = 5_000;
/** How many are ended unsent in one transaction. */
const ENDED_PER_CHUNK = 500;
const STANDINGS = ['well', 'untried', 'troubled'] as const;

export class Engine implements Sender {
  readonly #parts: EngineParts;
  readonly #lanes = new Map<string, Lane>();
  readonly #endpoints = new Map<string, Endpoint>();
  readonly #slots = new Slots();
  readonly #ready: Record<Standing, Lane[]> = { well: [], untried: [], troubled: [] };
  /** Lanes that have work, and whose origin has no room. */
  readonly #crowded = new Map<Endpoint, Set<Lane>>();
  readonly #later = new Timeline<Lane>();
  readonly #busyLanes = new Set<Lane>();
  readonly #recorder: Recorder;
  /** Deliveries in the windows of all lanes. */
  #inHand = 0;
  #mayHaveEvents = true;
  /** Recorded while word of others is read: what that says of them is of before. */
  #recordedMeanwhile: Set<string> | undefined;
  /** In the store is more, perhaps, than this has heard of. */
  #mayOweMore = false;
  #isFanningOut = false;
  /** Lanes that were found empty while it did. */
  readonly #emptied = new Set<Lane>();
  #isOpen = false;
  #isPumpWanted = false;
  #timer: NodeJS.Timeout | undefined;
  #timerFiresAt = Number.POSITIVE_INFINITY;
  #watch: NodeJS.Timeout | undefined;
  #busy = 0;
  #idle: (() => void)[] = [];

  constructor(parts: EngineParts) {
    this.#parts = parts;
    this.#recorder = new Recorder(parts.store.deliveries, parts.log, (attempts, calls) => {
      this.#recorded(attempts);
      if (calls > 0) parts.onCallsOwed();
    });
  }

  start(): void {
    this.#isOpen = true;
    this.#watch = setInterval(() => this.#lookForSlowOnes(), SLOW_MS / 4);
    this.#watch.unref();
    this.wake();
  }

  /** What an earlier process left, or another has handed over. */
  taken(lanes: OwedLane[]): void {
    for (const { installationId, dueAt, state } of lanes) {
      const lane = this.#lanes.get(installationId) ?? new Lane(installationId, state);
      this.#lanes.set(installationId, lane);
      lane.expect(dueAt);
      this.#arrange(lane);
    }
    this.#pump();
  }

  letGo(): void {
    for (const lane of this.#lanes.values()) this.#letGoOf(lane);
  }

  lingering(): string[] {
    const { share } = this.#parts;
    return [...this.#lanes.values()]
      .filter((lane) => !share.includes(lane.installationId) && !lane.isQuiet)
      .map(({ installationId }) => installationId);
  }

  mayOweMore(): void {
    this.#mayOweMore = true;
    this.wake();
  }

  /** Events may have been published, or what is owed may have changed. */
  wake(): void {
    this.#mayHaveEvents = true;
    void this.#fanOut();
    this.#pump();
  }

  /** What is being published need not be read again. */
  remember(event: EventRow, scopesToSeeAll: string[] | undefined): void {
    if (this.#isOpen) this.#parts.attempts.remember(event, scopesToSeeAll);
  }

  /** Something was made due for this installation by others, or what kept it from being sent is gone. */
  expect(installationId: string, state?: LaneState): void {
    if (!this.#parts.share.includes(installationId)) return;
    const lane = this.#laneOf(installationId);
    if (state) {
      Object.assign(lane.state, state);
      // What is on its way to the store of before comes after this otherwise.
      this.#recorder.note(lane.state);
      this.#stand(lane);
    }
    lane.expect(this.#parts.clock.now());
    this.#arrange(lane);
    this.#pump();
  }

  /** What others have left to do. @returns whether there is more than that */
  async hear(look: () => Promise<FoundWork | undefined>): Promise<boolean> {
    const recorded = new Set<string>();
    this.#recordedMeanwhile = recorded;
    try {
      const found = await look();
      if (!found) return false;
      for (const installationId of found.installationIds) this.expect(installationId);
      // What cannot be read now is read when it is sent.
      await this.#parts.attempts.prefetch(found.owed).catch(() => undefined);
      this.#handAnew(found.owed.filter(({ id }) => !recorded.has(id)));
      return found.hasMore;
    } finally {
      this.#recordedMeanwhile = undefined;
    }
  }

  /** A lane that has read from the table meanwhile may have them from there: it reads again. */
  #handAnew(owed: OwedDelivery[]): void {
    const reading = new Set<Lane>();
    for (const { installationId } of owed) {
      const lane = this.#lanes.get(installationId);
      if (lane && (lane.inHand > 0 || lane.isRefilling)) reading.add(lane);
    }
    for (const delivery of owed) {
      const lane = this.#lanes.get(delivery.installationId);
      if (lane && reading.has(lane)) this.expect(delivery.installationId);
      else if (!lane?.hasTaken(delivery.id)) this.#hand(delivery, performance.now());
    }
    this.#pump();
  }

  /** Those in memory: owed something, or not well. */
  get lanes(): Iterable<Lane> {
    return this.#lanes.values();
  }

  get underWay(): number {
    return this.#slots.taken;
  }

  /** Lets attempts under way end, and records them. */
  async stop(): Promise<void> {
    this.#isOpen = false;
    clearTimeout(this.#timer);
    clearInterval(this.#watch);
    while (this.#isFanningOut || this.#busy > 0) {
      await new Promise<void>((resolve) => {
        this.#idle.push(resolve);
      });
    }
    await this.#recorder.drain();
  }

  /** One pass at a time. Passes share the commits of whatever else is written meanwhile. */
  async #fanOut(): Promise<void> {
    if (this.#isFanningOut) return;
    this.#isFanningOut = true;
    const { store, clock, log } = this.#parts;
    try {
      while (this.#mayFanOut()) {
        if (this.#mayOweMore) {
          this.#mayOweMore = false;
          this.taken(await store.deliveries.lanes());
        }
        this.#mayHaveEvents = false;
        const now = clock.now();
        const began = performance.now();
        const pass = await store.events.fanOut(EVENTS_PER_PASS, now, DELIVERY_LIFETIME_MS);
        if (pass.events > 0) this.#mayHaveEvents = true;
        for (const delivery of pass.owed) this.#hand(delivery, began);
        this.#letEmptiedGo();
        this.#pump();
      }
    } catch (error) {
      log.error({ err: error }, 'events could not be fanned out; trying again');
      this.#mayHaveEvents = true;
      // It may be committed, and only the answer be lost.
      this.#mayOweMore = true;
      this.#wakeAt(clock.now() + RETRY_MS);
    } finally {
      this.#isFanningOut = false;
      this.#letEmptiedGo();
      this.#tellIdle();
    }
  }

  #mayFanOut(): boolean {
    const isAble = this.#isOpen && this.#parts.share.isHeld() && !this.#recorder.isFailing;
    return isAble && this.#mayHaveEvents;
  }

  #hand(delivery: OwedDelivery, since: number): void {
    if (!this.#parts.share.includes(delivery.installationId)) return;
    const lane = this.#laneOf(delivery.installationId);
    const before = lane.inHand;
    // What waits for long waits in the table.
    const isBlocked = (blockedUntil(lane.state) ?? 0) > delivery.dueAt;
    lane.hand(delivery, this.#inHand < ALL_IN_HAND && !isBlocked, since);
    this.#inHand += lane.inHand - before;
    this.#arrange(lane);
  }

  #letEmptiedGo(): void {
    for (const lane of this.#emptied) this.#letGo(lane);
    this.#emptied.clear();
  }

  #letGo(lane: Lane): void {
    if (this.#lanes.get(lane.installationId) !== lane) return;
    if (lane.isEmpty && isWell(lane.state)) this.#lanes.delete(lane.installationId);
  }

  #laneOf(installationId: string): Lane {
    let lane = this.#lanes.get(installationId);
    if (!lane) {
      lane = new Lane(installationId);
      this.#lanes.set(installationId, lane);
      // One that had nothing to do for a while is no stranger.
      this.#endpointOf(lane);
      lane.standing = this.#standingOf(lane);
    }
    return lane;
  }

  /** Puts a lane where it belongs: in line for its turn, on the timeline, beside its full origin, or nowhere. */
  #arrange(lane: Lane): void {
    if (lane.queuedAs !== undefined || lane.isRefilling) return;
    // One that had no more work was let go of, and another may stand in its place.
    if (this.#lanes.get(lane.installationId) !== lane) return;
    if (this.#letGoOf(lane)) return;
    const now = this.#parts.clock.now();
    const at = lane.readyAt(now);
    if (at === undefined) {
      // What a pass brings may have been read from the table meanwhile: the lane remembers.
      if (this.#isFanningOut) this.#emptied.add(lane);
      else this.#letGo(lane);
      return;
    }
    if (at > now) {
      if (lane.waitsUntil !== undefined && lane.waitsUntil <= at) return;
      lane.waitsUntil = at;
      this.#later.add(at, lane);
      this.#wakeAt(at);
      return;
    }
    if (lane.isProbing && lane.underWay > 0) return;
    if (lane.endpoint && !lane.endpoint.hasRoom) {
      let waiting = this.#crowded.get(lane.endpoint);
      if (!waiting) {
        waiting = new Set();
        this.#crowded.set(lane.endpoint, waiting);
      }
      waiting.add(lane);
      return;
    }
    lane.queuedAs = lane.standing;
    this.#ready[lane.standing].push(lane);
  }

  /** @returns false if it is of the share */
  #letGoOf(lane: Lane): boolean {
    if (this.#parts.share.includes(lane.installationId)) return false;
    this.#inHand -= lane.inHand;
    lane.letGo();
    const isKnown = this.#lanes.get(lane.installationId) === lane;
    if (isKnown && lane.isQuiet) this.#lanes.delete(lane.installationId);
    return true;
  }

  /** Once per turn of the event loop, after all answers that came in it: what starts together costs less. */
  #pump(): void {
    if (this.#isPumpWanted || !this.#isOpen) return;
    this.#isPumpWanted = true;
    setImmediate(() => {
      this.#isPumpWanted = false;
      this.#serve();
    });
  }

  #serve(): void {
    if (!this.#isOpen || this.#recorder.isBehind || !this.#parts.share.isHeld()) return;
    const now = this.#parts.clock.now();
    for (let lane = this.#later.takeDue(now); lane; lane = this.#later.takeDue(now)) {
      lane.waitsUntil = undefined;
      this.#arrange(lane);
    }
    const mayServeAny = () => STANDINGS.some((standing) => this.#mayServe(standing));
    if (mayServeAny()) this.#servePass(now);
    // The product's own requests come in between.
    if (mayServeAny()) this.#pump();
    this.#sleep();
  }

  #mayServe(standing: Standing): boolean {
    return this.#ready[standing].length > 0 && this.#slots.mayTake(standing);
  }

  #servePass(now: number): void {
    const endsAt = performance.now() + PASS_MS;
    for (const standing of STANDINGS) {
      while (this.#mayServe(standing) && performance.now() < endsAt) {
        const lane = this.#ready[standing].shift()!;
        lane.queuedAs = undefined;
        this.#serveLane(lane, now);
      }
    }
  }

  #serveLane(lane: Lane, now: number): void {
    if (this.#letGoOf(lane)) return;
    lane.beginTurn();
    while (lane.hasCredit && this.#mayStart(lane)) {
      if (lane.needsRefill(now)) {
        void this.#refill(lane, now);
        return;
      }
      const isProbe = lane.isProbing;
      const delivery = lane.take(now);
      if (!delivery) break;
      this.#inHand--;
      void this.#attempt(lane, delivery, isProbe);
      if (isProbe) break;
    }
    // Without a slot for it now, it is arranged again when one of its own comes back.
    if (lane.underWay === 0 || this.#slots.laneMayTake(lane.underWay)) this.#arrange(lane);
  }

  #mayStart(lane: Lane): boolean {
    if (lane.isProbing && lane.underWay > 0) return false;
    if ((blockedUntil(lane.state) ?? 0) > this.#parts.clock.now()) return false;
    return (
      this.#slots.mayTake(lane.standing) &&
      this.#slots.laneMayTake(lane.underWay) &&
      (lane.endpoint?.hasRoom ?? true)
    );
  }

  async #refill(lane: Lane, now: number): Promise<void> {
    const { store, attempts, log, clock } = this.#parts;
    const { installationId } = lane;
    lane.beginRefill();
    this.#busy++;
    try {
      const { due, nextDueAt } = await store.deliveries.window(
        installationId,
        now,
        lane.refillLimit(ALL_IN_HAND - this.#inHand),
      );
      await attempts.prefetch(due);
      const before = lane.inHand;
      lane.refill(due, nextDueAt);
      this.#inHand += lane.inHand - before;
    } catch (error) {
      log.error({ err: error }, 'the delivery engine could not read its store; trying again');
      lane.refillFailed(clock.now() + RETRY_MS);
    } finally {
      this.#busy--;
    }
    this.#arrange(lane);
    this.#tellIdle();
    this.#pump();
  }

  async #attempt(lane: Lane, delivery: OwedDelivery, isProbe: boolean): Promise<void> {
    const { attempts, log, clock, random } = this.#parts;
    this.#busy++;
    this.#slots.take(lane.standing);
    this.#busyLanes.add(lane);
    const endpoint = this.#endpointOf(lane);
    if (endpoint) endpoint.underWay++;
    try {
      const attempted = await attempts.make(delivery, isProbe, random());
      this.#parts.observer.attempted(attempted);
      this.#learn(lane, endpoint, attempted, isProbe);
      lane.charge(attempted.bytes);
      this.#recorder.add(attempted.record);
      if (attempted.refusal) void this.#endRefused(lane, attempted.refusal);
    } catch (error) {
      // A fault of the host, not of the add-on: no attempt is counted.
      const { id, eventId } = delivery;
      const { traceId, cause } = error instanceof AttemptBroken ? error : { cause: error };
      log.error(
        { err: cause, delivery: id, event: eventId, traceId },
        'a delivery failed inside the host; trying again',
      );
      lane.release(id);
      lane.expect(clock.now() + RETRY_MS);
    } finally {
      lane.ended(delivery.id);
      if (lane.underWay === 0) this.#busyLanes.delete(lane);
      this.#slots.give(lane.standing);
      if (endpoint) this.#leave(endpoint);
      this.#busy--;
      this.#stand(lane);
      this.#arrange(lane);
      this.#tellIdle();
      this.#pump();
    }
  }

  #endpointOf(lane: Lane): Endpoint | undefined {
    if (lane.endpoint) return lane.endpoint;
    const origin = this.#parts.attempts.origins.of(lane.installationId);
    if (origin === undefined) return undefined;
    let endpoint = this.#endpoints.get(origin);
    if (!endpoint) {
      endpoint = new Endpoint(origin);
      this.#endpoints.set(origin, endpoint);
    }
    lane.endpoint = endpoint;
    return endpoint;
  }

  #leave(endpoint: Endpoint): void {
    endpoint.underWay--;
    const waiting = this.#crowded.get(endpoint);
    if (waiting && endpoint.hasRoom) {
      this.#crowded.delete(endpoint);
      for (const lane of waiting) this.#arrange(lane);
    }
    const isMissed = !endpoint.isIdle || this.#crowded.has(endpoint);
    // Lanes that still point at it go on with it; new ones begin anew.
    if (!isMissed && this.#endpoints.size > MOST_ENDPOINTS) this.#endpoints.delete(endpoint.origin);
  }

  /** What an answer says about the endpoint. */
  #learn(
    lane: Lane,
    endpoint: Endpoint | undefined,
    { record, silentUntil }: Attempted,
    isProbe: boolean,
  ): void {
    if (record.outcome === 'dropped') return;
    const changes: (Change | undefined)[] = [];
    const hasAnsweredWell = record.outcome === 'delivered' || MEANT.has(record.reason!);
    if (hasAnsweredWell) {
      const wasPaused = lane.state.pausedAt !== null;
      lane.hasAnswered = true;
      changes.push(succeed(lane.state));
      endpoint?.succeeded();
      if (wasPaused) this.#tell(lane, 'webhooksResumed');
    } else {
      const now = this.#parts.clock.now();
      const change = fail(lane.state, { now, isProbe, random: this.#parts.random() });
      changes.push(change);
      endpoint?.troubled(isOverload(record.status));
      if (change === 'paused') this.#tell(lane, 'webhooksPaused');
      if (change !== undefined) void this.#endExpired(lane);
    }
    if (silentUntil !== null) changes.push(silence(lane.state, silentUntil));
    if (changes.some((change) => change !== undefined)) this.#recorder.note(lane.state);
  }

  #tell(lane: Lane, kind: 'webhooksPaused' | 'webhooksResumed'): void {
    const { installationId, state } = lane;
    const { log, notice } = this.#parts;
    if (kind === 'webhooksPaused') {
      const since = state.failingSince;
      log.warn(
        { installation: installationId, failures: state.failures, since },
        'webhooks are paused: no success for days; probed every hour, resumed by the first success',
      );
    } else log.info({ installation: installationId }, 'webhooks are resumed');
    void notice(installationId, kind)
      .then((call) => call && this.#recorder.tell(call))
      .catch((error: unknown) => log.error({ err: error }, 'the add-on could not be told'));
  }

  /** Where the lane stands with the bulkhead now. */
  #stand(lane: Lane): void {
    const standing = this.#standingOf(lane);
    if (standing === lane.standing) return;
    this.#slots.move(lane.underWay, lane.standing, standing);
    lane.standing = standing;
    // In line elsewhere: it changes lines when its turn comes.
  }

  #standingOf(lane: Lane): Standing {
    if (lane.state.failures > 0 || lane.endpoint?.isDown) return 'troubled';
    if (lane.isSlow(this.#parts.clock.now())) return 'troubled';
    return lane.hasAnswered || lane.endpoint?.hasAnswered ? 'well' : 'untried';
  }

  #lookForSlowOnes(): void {
    if (this.#slots.taken === 0) return;
    const now = this.#parts.clock.now();
    for (const lane of this.#busyLanes) {
      if (!lane.isSlow(now)) continue;
      if (lane.standing !== 'troubled') lane.endpoint?.troubled(true);
      this.#stand(lane);
    }
    this.#pump();
  }

  #endRefused(lane: Lane, { reason, message, refuses, epoch }: Refusal): Promise<void> {
    const which = refuses === 'all' ? { epoch } : { ...refuses, epoch };
    return this.#endUnsent(lane, { reason, message }, which);
  }

  #endExpired(lane: Lane): Promise<void> {
    const which = { expiredBefore: this.#parts.clock.now() };
    return this.#endUnsent(lane, { reason: 'expired', message: EXPIRED }, which);
  }

  /** Ends in chunks what would be refused one by one. */
  async #endUnsent(
    lane: Lane,
    because: { reason: string; message: string },
    which: Unsendable,
  ): Promise<void> {
    const { store, clock, log } = this.#parts;
    if (lane.isEnding) return;
    lane.isEnding = true;
    this.#busy++;
    try {
      this.#inHand -= lane.inHand;
      lane.putBack(clock.now());
      for (let ended = ENDED_PER_CHUNK; ended === ENDED_PER_CHUNK && this.#isOpen; ) {
        ended = await store.deliveries.endUnsent(
          lane.installationId,
          { ...because, at: clock.now() },
          which,
          ENDED_PER_CHUNK,
        );
      }
    } catch (error) {
      log.error({ err: error }, 'deliveries could not be ended; they are looked at one by one');
    } finally {
      lane.isEnding = false;
      this.#busy--;
      this.#arrange(lane);
      this.#tellIdle();
      this.#pump();
    }
  }

  #recorded(attempts: Pick<AttemptRecord, 'delivery' | 'nextDueAt' | 'outcome'>[]): void {
    for (const { delivery, nextDueAt, outcome } of attempts) {
      const lane = this.#laneOf(delivery.installationId);
      lane.release(delivery.id);
      this.#recordedMeanwhile?.add(delivery.id);
      if (nextDueAt !== null) lane.expect(nextDueAt);
      // A probe that failed is still due; the next of an order is due now.
      else if (outcome === 'retry' || delivery.orderingKey !== null)
        lane.expect(this.#parts.clock.now());
      this.#arrange(lane);
    }
    if (this.#mayHaveEvents) void this.#fanOut();
    this.#pump();
  }

  #sleep(): void {
    const next = this.#later.nextAt;
    if (next !== undefined) this.#wakeAt(next);
  }

  #wakeAt(at: number): void {
    if (!this.#isOpen) return;
    const ms = Math.min(Math.max(at - this.#parts.clock.now(), 0), LONGEST_SLEEP_MS);
    // Compared by a clock that nobody sets: how long this one still had to go may have been wrong.
    const firesAt = performance.now() + ms;
    if (firesAt >= this.#timerFiresAt) return;
    clearTimeout(this.#timer);
    this.#timerFiresAt = firesAt;
    this.#timer = setTimeout(() => {
      this.#timerFiresAt = Number.POSITIVE_INFINITY;
      if (this.#mayHaveEvents) void this.#fanOut();
      this.#pump();
      // The clock may have been set back meanwhile.
      this.#sleep();
    }, ms);
  }

  #tellIdle(): void {
    if (this.#idle.length === 0) return;
    for (const tell of this.#idle.splice(0)) tell();
  }
}

/** What an endpoint that works says on purpose. */
const MEANT = new Set(['gone', 'aborted']);

/** Too much was asked of it, as far as can be told. */
function isOverload(status: number | null): boolean {
  return status === null || status === 429 || status >= 500;
}
