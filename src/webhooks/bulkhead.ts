// What is under way to whom, and where each lane stands because of it: one that is not well takes no room of those
// that are.
import type { Clock } from '../core/clock.ts';
import type { Attempts } from './attempts.ts';
import type { Endpoint } from './endpoint.ts';
import { Endpoints } from './endpoints.ts';
import { blockedUntil } from './health.ts';
import type { Lane } from './lane.ts';
import { Slots, type Standing } from './slots.ts';

export class Bulkhead {
  readonly #clock: Clock;
  readonly #endpoints: Endpoints;
  readonly #slots = new Slots();
  readonly #busy = new Set<Lane>();

  constructor(clock: Clock, attempts: Pick<Attempts, 'origins'>) {
    this.#clock = clock;
    this.#endpoints = new Endpoints(attempts);
  }

  get underWay(): number {
    return this.#slots.taken;
  }

  /** One that had nothing to do for a while is no stranger. */
  meet(lane: Lane): void {
    this.#endpoints.of(lane);
    this.stand(lane);
  }

  hasRoomFor(standing: Standing): boolean {
    return this.#slots.mayTake(standing);
  }

  hasRoomForMoreOf(lane: Lane): boolean {
    return this.#slots.laneMayTake(lane.underWay);
  }

  /** Whether an attempt of the lane may start now. */
  mayEnter(lane: Lane): boolean {
    if (lane.isProbing && lane.underWay > 0) return false;
    if ((blockedUntil(lane.state) ?? 0) > this.#clock.now()) return false;
    return (
      this.hasRoomFor(lane.standing) &&
      this.hasRoomForMoreOf(lane) &&
      (lane.endpoint?.hasRoom ?? true)
    );
  }

  /** @returns where the attempt goes, as far as that is known; it leaves from there */
  enter(lane: Lane): Endpoint | undefined {
    this.#slots.take(lane.standing);
    this.#busy.add(lane);
    const endpoint = this.#endpoints.of(lane);
    if (endpoint) endpoint.underWay++;
    return endpoint;
  }

  /** An attempt has ended, for the lane too. */
  leave(lane: Lane, endpoint: Endpoint | undefined): void {
    if (lane.underWay === 0) this.#busy.delete(lane);
    this.#slots.give(lane.standing);
    if (endpoint) this.#endpoints.leave(endpoint);
  }

  /** Where the lane stands now. In line elsewhere, it changes lines when its turn comes. */
  stand(lane: Lane): void {
    const standing = this.#standingOf(lane);
    if (standing === lane.standing) return;
    this.#slots.move(lane.underWay, lane.standing, standing);
    lane.standing = standing;
  }

  /** Those that are slow stand elsewhere from now on. */
  lookForSlowOnes(): void {
    const now = this.#clock.now();
    for (const lane of this.#busy) {
      if (!lane.isSlow(now)) continue;
      if (lane.standing !== 'troubled') lane.endpoint?.troubled(true);
      this.stand(lane);
    }
  }

  #standingOf(lane: Lane): Standing {
    if (lane.state.failures > 0 || lane.endpoint?.isDown) return 'troubled';
    if (lane.isSlow(this.#clock.now())) return 'troubled';
    return lane.hasAnswered || lane.endpoint?.hasAnswered ? 'well' : 'untried';
  }
}
