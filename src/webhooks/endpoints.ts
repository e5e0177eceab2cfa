// The origins that something was sent to; bounded.
import type { Attempts } from './attempts.ts';
import { Endpoint } from './endpoint.ts';
import type { Lane } from './lane.ts';

/** Kept though nothing is under way to them. */
const MOST_ENDPOINTS = 1_000;

export class Endpoints {
  readonly #attempts: Pick<Attempts, 'origins'>;
  readonly #known = new Map<string, Endpoint>();

  constructor(attempts: Pick<Attempts, 'origins'>) {
    this.#attempts = attempts;
  }

  /** @returns undefined until something was sent for the lane */
  of(lane: Lane): Endpoint | undefined {
    if (lane.endpoint) return lane.endpoint;
    const origin = this.#attempts.origins.of(lane.installationId);
    if (origin === undefined) return undefined;
    let endpoint = this.#known.get(origin);
    if (!endpoint) {
      endpoint = new Endpoint(origin);
      this.#known.set(origin, endpoint);
    }
    lane.endpoint = endpoint;
    return endpoint;
  }

  /** A request to it is over. */
  leave(endpoint: Endpoint): void {
    endpoint.underWay--;
    // Lanes that still point at it go on with it; new ones begin anew.
    if (endpoint.isIdle && this.#known.size > MOST_ENDPOINTS) this.#known.delete(endpoint.origin);
  }
}
