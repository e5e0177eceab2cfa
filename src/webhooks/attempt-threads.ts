// Attempts in threads of their own: signing and thousands of sockets stay off the product's event loop, and use the
// machine's other cores. All attempts of an installation are made by one thread.
import type { Worker } from 'node:worker_threads';
import type { Clock } from '../core/clock.ts';
import { bucketOf } from '../core/ids.ts';
import type { Logger } from '../core/log.ts';
import type { EventRow, OwedDelivery } from '../store/rows.ts';
import type { AskedAttempt, Attempted } from './attempt.ts';
import { AttemptThread } from './attempt-thread.ts';
import type { Attempts } from './attempts.ts';
import { FreshEvents } from './fresh-events.ts';
import { OneByOne } from './one-by-one.ts';
import { Origins } from './origins.ts';

export interface AttemptThreadsParts {
  /** How many, from 1 to 31. */
  threads: number;
  /** Starts one; src/delivery-thread.ts is what it runs. */
  open: () => Worker;
  log: Logger;
  clock: Clock;
  onUndeclared: (eventType: string, pointers: string[]) => void;
}

export class AttemptThreads implements Attempts {
  readonly origins = new Origins();
  readonly #fresh: FreshEvents;
  readonly #threads: AttemptThread[];
  /** For those of which a thread may have died; started when one has. */
  readonly #alone: AttemptThread;

  constructor({ threads, ...parts }: AttemptThreadsParts) {
    this.#fresh = new FreshEvents(threads);
    const shared = {
      ...parts,
      origins: this.origins,
      makeAlone: (asked: AskedAttempt) => oneByOne.make(asked),
    };
    this.#threads = Array.from(
      { length: threads },
      (_, i) => new AttemptThread(i, { ...shared, fresh: this.#fresh }),
    );
    this.#alone = new AttemptThread(0, { ...shared, fresh: new FreshEvents(1) });
    const oneByOne = new OneByOne(this.#alone);
  }

  make(delivery: OwedDelivery, isProbe: boolean, random: number): Promise<Attempted> {
    const threads = this.#threads;
    const i = threads.length === 1 ? 0 : bucketOf(delivery.installationId) % threads.length;
    return threads[i]!.make({ delivery, isProbe, random });
  }

  /** The thread reads together what it is asked for together. */
  async prefetch(): Promise<void> {}

  remember(event: EventRow, scopesToSeeAll: string[] | undefined): void {
    this.#fresh.add(event, scopesToSeeAll);
  }

  tellsOne(eventId: string): void {
    this.#fresh.tellsOne(eventId);
  }

  async settle(): Promise<void> {
    await Promise.all([...this.#threads, this.#alone].map((thread) => thread.settle()));
  }

  async close(): Promise<void> {
    await Promise.all([...this.#threads, this.#alone].map((thread) => thread.close()));
  }
}
