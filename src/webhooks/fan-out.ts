// Events become deliveries, pass by pass, as long as there are any.
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Clock } from '../core/clock.ts';
import type { Logger } from '../core/log.ts';
import type { Share } from '../store/engine-store.ts';
import type { OwedDelivery } from '../store/rows.ts';
import type { Store } from '../store/store.ts';
import type { Attempts } from './attempts.ts';
import type { Lanes } from './lanes.ts';
import { type Loop, RETRY_MS } from './loop.ts';
import type { Recorder } from './recorder.ts';
import type { Turns } from './turns.ts';

const EVENTS_PER_PASS = 256;
/** Until what the store holds back is asked for again, if nothing that was in hand has ended before. */
const HOLDING_MS = 100;
/** How long a delivery is owed. */
export const DELIVERY_LIFETIME_MS = 72 * 3_600_000;

export interface FanOutParts {
  store: Pick<Store, 'events' | 'deliveries'>;
  attempts: Pick<Attempts, 'tellsOne'>;
  share: Pick<Share, 'isHeld'>;
  clock: Clock;
  log: Logger;
  loop: Loop;
  lanes: Lanes;
  turns: Turns;
  recorder: Recorder;
}

export class FanOut {
  readonly #parts: FanOutParts;
  #mayHaveEvents = true;
  /** In the store is more, perhaps, than the lanes have heard of. */
  #mayOweMore = false;
  /** In the store are events that wait until more of what is in hand has ended. */
  #isHolding = false;
  #isUnderWay = false;

  constructor(parts: FanOutParts) {
    this.#parts = parts;
  }

  /** Events may have been published. */
  wake(): void {
    this.#mayHaveEvents = true;
    this.goOn();
  }

  /** Word of something owed was lost on the way: it is looked for before the next pass. */
  mayOweMore(): void {
    this.#mayOweMore = true;
    this.wake();
  }

  /** If there may be events, and what kept it from them is gone. */
  goOn(): void {
    if (this.#isHolding) this.#mayHaveEvents = true;
    if (!this.#isUnderWay && this.#mayBegin()) void this.#run();
  }

  /** One pass at a time. Passes share the commits of whatever else is written meanwhile. */
  async #run(): Promise<void> {
    const { store, attempts, clock, log, loop, lanes, turns } = this.#parts;
    this.#isUnderWay = true;
    loop.begin();
    try {
      while (this.#mayBegin()) {
        lanes.beginPass();
        if (this.#mayOweMore) {
          this.#mayOweMore = false;
          turns.taken(await store.deliveries.lanes());
        }
        this.#mayHaveEvents = false;
        const now = clock.now();
        const began = performance.now();
        const pass = await store.events.fanOut(EVENTS_PER_PASS, now, DELIVERY_LIFETIME_MS);
        if (pass.events > 0) this.#mayHaveEvents = true;
        this.#isHolding = pass.isHolding;
        for (const eventId of toldToOne(pass.owed)) attempts.tellsOne(eventId);
        for (const delivery of pass.owed) turns.hand(delivery, began);
        lanes.endPass();
        loop.goRound();
        // A pass may need no commit: the product's own requests come in between.
        await nextTurn();
      }
      if (this.#isHolding) loop.wakeAt(clock.now() + HOLDING_MS);
    } catch (error) {
      log.error({ err: error }, 'events could not be fanned out; trying again');
      this.#mayHaveEvents = true;
      // It may be committed, and only the answer be lost.
      this.#mayOweMore = true;
      loop.wakeAt(clock.now() + RETRY_MS);
    } finally {
      this.#isUnderWay = false;
      lanes.endPass();
      loop.end();
    }
  }

  #mayBegin(): boolean {
    const { loop, share, recorder } = this.#parts;
    return loop.isOpen && share.isHeld() && !recorder.isFailing && this.#mayHaveEvents;
  }
}

/** Events of which one delivery is among these: those of an event stand together. */
function toldToOne(owed: OwedDelivery[]): string[] {
  return owed
    .filter(
      ({ eventId }, i) => owed[i - 1]?.eventId !== eventId && owed[i + 1]?.eventId !== eventId,
    )
    .map(({ eventId }) => eventId);
}
