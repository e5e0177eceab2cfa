// What would be refused one by one ends together, in chunks.
import type { Clock } from '../core/clock.ts';
import type { Logger } from '../core/log.ts';
import type { Unsendable } from '../store/delivery-store.ts';
import type { Store } from '../store/store.ts';
import { EXPIRED, type Refusal } from './attempt.ts';
import type { Lane } from './lane.ts';
import type { Lanes } from './lanes.ts';
import type { Loop } from './loop.ts';
import type { Turns } from './turns.ts';

/** How many are ended in one transaction. */
const ENDED_PER_CHUNK = 500;

export interface UnsentParts {
  store: Pick<Store, 'deliveries'>;
  clock: Clock;
  log: Logger;
  loop: Loop;
  lanes: Lanes;
  turns: Turns;
}

export class Unsent {
  readonly #parts: UnsentParts;

  constructor(parts: UnsentParts) {
    this.#parts = parts;
  }

  /** The gate has said no to all of them. */
  endRefused(lane: Lane, { reason, message, refuses, epoch }: Refusal): Promise<void> {
    const which = refuses === 'all' ? { epoch } : { ...refuses, epoch };
    return this.#end(lane, { reason, message }, which);
  }

  endExpired(lane: Lane): Promise<void> {
    const which = { expiredBefore: this.#parts.clock.now() };
    return this.#end(lane, { reason: 'expired', message: EXPIRED }, which);
  }

  async #end(
    lane: Lane,
    because: { reason: string; message: string },
    which: Unsendable,
  ): Promise<void> {
    const { store, clock, log, loop, lanes, turns } = this.#parts;
    if (lane.isEnding) return;
    lane.isEnding = true;
    loop.begin();
    try {
      lanes.putBack(lane, clock.now());
      for (let ended = ENDED_PER_CHUNK; ended === ENDED_PER_CHUNK && loop.isOpen; ) {
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
      loop.end();
      turns.arrange(lane);
      loop.goRound();
    }
  }
}
