// What is due in a lane is read from the table when nothing of it is in hand.
import type { Clock } from '../core/clock.ts';
import type { Logger } from '../core/log.ts';
import type { Store } from '../store/store.ts';
import type { Attempts } from './attempts.ts';
import type { Lane } from './lane.ts';
import type { Lanes } from './lanes.ts';
import { type Loop, RETRY_MS } from './loop.ts';
import type { Turns } from './turns.ts';

export interface RefillsParts {
  store: Pick<Store, 'deliveries'>;
  attempts: Pick<Attempts, 'prefetch'>;
  clock: Clock;
  log: Logger;
  loop: Loop;
  lanes: Lanes;
  turns: Turns;
}

export class Refills {
  readonly #parts: RefillsParts;

  constructor(parts: RefillsParts) {
    this.#parts = parts;
  }

  async refill(lane: Lane, now: number): Promise<void> {
    const { store, attempts, clock, log, loop, lanes, turns } = this.#parts;
    lane.beginRefill();
    loop.begin();
    try {
      const { due, nextDueAt } = await store.deliveries.window(
        lane.installationId,
        now,
        lane.refillLimit(lanes.room),
      );
      await attempts.prefetch(due);
      lanes.refill(lane, due, nextDueAt);
    } catch (error) {
      log.error({ err: error }, 'the delivery engine could not read its store; trying again');
      lane.refillFailed(clock.now() + RETRY_MS);
    } finally {
      loop.end();
    }
    turns.arrange(lane);
    loop.goRound();
  }
}
