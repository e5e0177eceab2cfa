// Which lanes there are, and how much all of them have in hand. A lane is in memory while it is owed something, or is
// not well, and while its installation is of the share.
import type { OwedLane } from '../store/delivery-store.ts';
import type { Share } from '../store/engine-store.ts';
import type { OwedDelivery } from '../store/rows.ts';
import type { Bulkhead } from './bulkhead.ts';
import { blockedUntil, isWell } from './health.ts';
import { ALL_IN_HAND, Lane } from './lane.ts';

export class Lanes {
  readonly #share: Pick<Share, 'includes'>;
  readonly #bulkhead: Bulkhead;
  readonly #lanes = new Map<string, Lane>();
  /** Deliveries in the windows of all lanes. */
  #inHand = 0;
  #isPassUnderWay = false;
  /** Lanes that were found empty during it. */
  readonly #emptied = new Set<Lane>();

  constructor(share: Pick<Share, 'includes'>, bulkhead: Bulkhead) {
    this.#share = share;
    this.#bulkhead = bulkhead;
  }

  get all(): Iterable<Lane> {
    return this.#lanes.values();
  }

  /** How many more may be in hand. */
  get room(): number {
    return ALL_IN_HAND - this.#inHand;
  }

  find(installationId: string): Lane | undefined {
    return this.#lanes.get(installationId);
  }

  /** One that had no more work was let go of, and another may stand in its place. */
  has(lane: Lane): boolean {
    return this.#lanes.get(lane.installationId) === lane;
  }

  of(installationId: string): Lane {
    let lane = this.#lanes.get(installationId);
    if (!lane) {
      lane = new Lane(installationId);
      this.#lanes.set(installationId, lane);
      this.#bulkhead.meet(lane);
    }
    return lane;
  }

  /** @returns undefined if it is not of the share */
  findOwn(installationId: string): Lane | undefined {
    return this.#share.includes(installationId) ? this.of(installationId) : undefined;
  }

  /** As an earlier process left it, or another has handed it over. */
  taken({ installationId, dueAt, state }: OwedLane): Lane {
    const lane = this.#lanes.get(installationId) ?? new Lane(installationId, state);
    this.#lanes.set(installationId, lane);
    lane.expect(dueAt);
    return lane;
  }

  hand(lane: Lane, delivery: OwedDelivery, since: number): void {
    const before = lane.inHand;
    // What waits for long waits in the table.
    const isBlocked = (blockedUntil(lane.state) ?? 0) > delivery.dueAt;
    lane.hand(delivery, this.room > 0 && !isBlocked, since);
    this.#inHand += lane.inHand - before;
  }

  refill(lane: Lane, due: OwedDelivery[], nextDueAt: number | undefined): void {
    const before = lane.inHand;
    lane.refill(due, nextDueAt);
    this.#inHand += lane.inHand - before;
  }

  take(lane: Lane, now: number): OwedDelivery | undefined {
    const delivery = lane.take(now);
    if (delivery) this.#inHand--;
    return delivery;
  }

  putBack(lane: Lane, now: number): void {
    this.#inHand -= lane.inHand;
    lane.putBack(now);
  }

  /** Of the fan-out. What it brings may have been read from the table meanwhile: until it ends, lanes remember. */
  beginPass(): void {
    this.#isPassUnderWay = true;
  }

  endPass(): void {
    this.#isPassUnderWay = false;
    for (const lane of this.#emptied) this.#letGoIfEmpty(lane);
    this.#emptied.clear();
  }

  /** Nothing is known to be owed to it. */
  emptied(lane: Lane): void {
    if (this.#isPassUnderWay) this.#emptied.add(lane);
    else this.#letGoIfEmpty(lane);
  }

  /** @returns false if it is of the share */
  letGoOf(lane: Lane): boolean {
    if (this.#share.includes(lane.installationId)) return false;
    this.#inHand -= lane.inHand;
    lane.letGo();
    if (this.has(lane) && lane.isQuiet) this.#lanes.delete(lane.installationId);
    return true;
  }

  /** Installations that are not of the share, for which something is under way or not recorded. */
  lingering(): string[] {
    return [...this.#lanes.values()]
      .filter((lane) => !this.#share.includes(lane.installationId) && !lane.isQuiet)
      .map(({ installationId }) => installationId);
  }

  #letGoIfEmpty(lane: Lane): void {
    if (!this.has(lane)) return;
    if (lane.isEmpty && isWell(lane.state)) this.#lanes.delete(lane.installationId);
  }
}
