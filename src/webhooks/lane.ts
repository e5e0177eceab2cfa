// One installation's queue, in memory: a small window of what is due, and what is under way. Memory grows
// with the number of lanes that have work, not with the backlog.
import type { OwedDelivery } from '../store/rows.ts';

/** How many of one installation's deliveries are under way at most: a hung add-on delays itself alone. */
export const LANE_CONCURRENCY = 4;
export const LANE_WINDOW = 32;

export class Lane {
  readonly installationId: string;
  /** When something is due; undefined when nothing is known to be. */
  dueAt: number | undefined;
  /** The endpoint asked for silence until then. */
  silentUntil = 0;
  #window: OwedDelivery[] = [];
  /** Taken and not recorded yet: still in the table, so a refill must leave them out. */
  readonly #taken = new Set<string>();

  constructor(installationId: string, dueAt: number) {
    this.installationId = installationId;
    this.dueAt = dueAt;
  }

  /** Something became due. */
  expect(at: number): void {
    this.dueAt = this.dueAt === undefined ? at : Math.min(this.dueAt, at);
  }

  canTake(now: number): boolean {
    if (this.silentUntil > now || this.#taken.size >= LANE_CONCURRENCY) return false;
    return this.#window.length > 0 || (this.dueAt !== undefined && this.dueAt <= now);
  }

  get isEmpty(): boolean {
    return this.#window.length === 0 && this.#taken.size === 0 && this.dueAt === undefined;
  }

  get needsRefill(): boolean {
    return this.#window.length === 0;
  }

  /** Rows to ask the store for: those taken come back with the others. */
  get refillLimit(): number {
    return LANE_WINDOW + this.#taken.size;
  }

  refill(rows: OwedDelivery[], nextDueAt: number | undefined): void {
    this.#window = rows.filter((row) => !this.#taken.has(row.id));
    this.dueAt = nextDueAt;
  }

  take(): OwedDelivery | undefined {
    const delivery = this.#window.shift();
    if (delivery) this.#taken.add(delivery.id);
    return delivery;
  }

  /** The attempt is recorded, or given up before it began. */
  release(deliveryId: string): void {
    this.#taken.delete(deliveryId);
  }

  /** When to look at this lane again. */
  wakeAt(now: number): number | undefined {
    if (this.#taken.size >= LANE_CONCURRENCY) return undefined;
    const due = this.#window.length > 0 ? now : this.dueAt;
    return due === undefined ? undefined : Math.max(due, this.silentUntil);
  }
}
