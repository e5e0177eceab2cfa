// Whose turn it is: lanes in line by how they stand, those that wait for their time, and those whose origin is full.
import type { Clock } from '../core/clock.ts';
import type { OwedLane } from '../store/delivery-store.ts';
import type { OwedDelivery } from '../store/rows.ts';
import type { Bulkhead } from './bulkhead.ts';
import type { Endpoint } from './endpoint.ts';
import type { Lane } from './lane.ts';
import type { Lanes } from './lanes.ts';
import type { Loop } from './loop.ts';
import type { Standing } from './slots.ts';
import { Timeline } from './timeline.ts';

/** In this order. */
export const STANDINGS = ['well', 'untried', 'troubled'] as const;

export interface TurnsParts {
  clock: Clock;
  loop: Loop;
  bulkhead: Bulkhead;
  lanes: Lanes;
}

export class Turns {
  readonly #parts: TurnsParts;
  readonly #ready: Record<Standing, Lane[]> = { well: [], untried: [], troubled: [] };
  /** Lanes that have work, and whose origin has no room. */
  readonly #crowded = new Map<Endpoint, Set<Lane>>();
  readonly #later = new Timeline<Lane>();

  constructor(parts: TurnsParts) {
    this.#parts = parts;
  }

  /** What an earlier process left, or another has handed over. */
  taken(owed: OwedLane[]): void {
    for (const lane of owed) this.arrange(this.#parts.lanes.taken(lane));
    this.#parts.loop.goRound();
  }

  /** Something was made due for this installation by others, or what kept it from being sent is gone. */
  expect(installationId: string): void {
    const { lanes, clock, loop } = this.#parts;
    const lane = lanes.findOwn(installationId);
    if (!lane) return;
    lane.expect(clock.now());
    this.arrange(lane);
    loop.goRound();
  }

  /** Owed since a moment ago. @param since by the steady clock, when making it owed began. */
  hand(delivery: OwedDelivery, since: number): void {
    const { lanes } = this.#parts;
    const lane = lanes.findOwn(delivery.installationId);
    if (!lane) return;
    lanes.hand(lane, delivery, since);
    this.arrange(lane);
  }

  /** Puts a lane where it belongs: in line for its turn, on the timeline, beside its full origin, or nowhere. */
  arrange(lane: Lane): void {
    const { lanes, clock } = this.#parts;
    if (lane.queuedAs !== undefined || lane.isRefilling) return;
    if (!lanes.has(lane) || lanes.letGoOf(lane)) return;
    const now = clock.now();
    const at = lane.readyAt(now);
    if (at === undefined) lanes.emptied(lane);
    else if (at > now) this.#bringUpAt(at, lane);
    else if (lane.isProbing && lane.underWay > 0) return;
    else if (lane.endpoint && !lane.endpoint.hasRoom) this.#waitBeside(lane.endpoint, lane);
    else {
      lane.queuedAs = lane.standing;
      this.#ready[lane.standing].push(lane);
    }
  }

  /** Those whose time has come. */
  bringUp(now: number): void {
    for (let lane = this.#later.takeDue(now); lane; lane = this.#later.takeDue(now)) {
      lane.waitsUntil = undefined;
      this.arrange(lane);
    }
  }

  /** Those that wait beside an origin, if it has room again. */
  bringUpBeside(endpoint: Endpoint): void {
    const waiting = this.#crowded.get(endpoint);
    if (!waiting || !endpoint.hasRoom) return;
    this.#crowded.delete(endpoint);
    for (const lane of waiting) this.arrange(lane);
  }

  /** Whether it is anybody's, and there is room for whose it is. */
  hasAny(): boolean {
    return STANDINGS.some((standing) => this.hasOne(standing));
  }

  hasOne(standing: Standing): boolean {
    return this.#ready[standing].length > 0 && this.#parts.bulkhead.hasRoomFor(standing);
  }

  /** If there is one. */
  next(standing: Standing): Lane {
    const lane = this.#ready[standing].shift()!;
    lane.queuedAs = undefined;
    return lane;
  }

  /** Until the next on the timeline. */
  sleep(): void {
    const next = this.#later.nextAt;
    if (next !== undefined) this.#parts.loop.wakeAt(next);
  }

  #bringUpAt(at: number, lane: Lane): void {
    if (lane.waitsUntil !== undefined && lane.waitsUntil <= at) return;
    lane.waitsUntil = at;
    this.#later.add(at, lane);
    this.#parts.loop.wakeAt(at);
  }

  #waitBeside(endpoint: Endpoint, lane: Lane): void {
    let waiting = this.#crowded.get(endpoint);
    if (!waiting) {
      waiting = new Set();
      this.#crowded.set(endpoint, waiting);
    }
    waiting.add(lane);
  }
}
