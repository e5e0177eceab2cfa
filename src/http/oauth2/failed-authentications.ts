// Guesses at client secrets, counted over all endpoints where a client proves itself. Only what failed is counted, and
// right credentials are let in whatever the count: a flood locks nobody out.
import type { Clock } from '../../core/clock.ts';
import { RateLimit } from '../../core/rate-limit.ts';

/** Of one address, and at one client from wherever; each is answered 429 from then on, for the rest of the minute. */
const FAILURES_PER_MINUTE = 60;
/** No client id is longer, and what is invented must not fill the memory. */
const LONGEST_NAME = 128;

export class FailedAuthentications {
  readonly #ofAddress: RateLimit;
  readonly #atClient: RateLimit;

  constructor(clock: Clock) {
    this.#ofAddress = new RateLimit(FAILURES_PER_MINUTE, clock);
    this.#atClient = new RateLimit(FAILURES_PER_MINUTE, clock);
  }

  /** @param client as the request names it. @returns seconds to wait when there were too many, else undefined */
  count(address: string, client: string | undefined): number | undefined {
    const waits = [
      this.#ofAddress.hit(address),
      client === undefined ? undefined : this.#atClient.hit(client.slice(0, LONGEST_NAME)),
    ].filter((wait) => wait !== undefined);
    return waits.length === 0 ? undefined : Math.max(...waits);
  }
}
