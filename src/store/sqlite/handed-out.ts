// Deliveries that were handed out without a row (unwritten.ts), and what is left of each event.
import type { OwedDelivery } from '../rows.ts';

export class HandedOut {
  /** By installation and id. */
  readonly #lanes = new Map<string, Map<string, OwedDelivery>>();
  /** Of each event, by its number: how many are here, and the how manieth it was. */
  readonly #events = new Map<number, { left: number; place: number }>();
  /** Events of which none is here any more, and whose outbox row still is. */
  readonly #done = new Set<number>();
  #size = 0;
  #place = 0;

  get size(): number {
    return this.#size;
  }

  /** How many installations they are for. */
  get lanes(): number {
    return this.#lanes.size;
  }

  get done(): ReadonlySet<number> {
    return this.#done;
  }

  /** Of the event that was handed out last; grows with each. */
  get lastPlace(): number {
    return this.#place;
  }

  /** Whether it was handed out by then. */
  wasThereAt(place: number, { eventSeq }: OwedDelivery): boolean {
    const event = this.#events.get(eventSeq);
    return event !== undefined && event.place <= place;
  }

  /** How many are for this installation. */
  countOf(installationId: string): number {
    return this.#lanes.get(installationId)?.size ?? 0;
  }

  /** @param seq of the event. @param deliveries all of the event */
  add(seq: number, deliveries: OwedDelivery[]): void {
    this.#place++;
    this.#size += deliveries.length;
    if (deliveries.length === 0) this.#done.add(seq);
    else this.#events.set(seq, { left: deliveries.length, place: this.#place });
    for (const delivery of deliveries) this.#laneOf(delivery).set(delivery.id, delivery);
  }

  has({ installationId, id, replayId }: OwedDelivery): boolean {
    // A replay owes what has been here and ended.
    return replayId === null && this.#lanes.get(installationId)?.has(id) === true;
  }

  of(installationId: string): OwedDelivery[] {
    return [...(this.#lanes.get(installationId)?.values() ?? [])];
  }

  find(isAskedFor: (delivery: OwedDelivery) => boolean, most: number): OwedDelivery[] {
    const found: OwedDelivery[] = [];
    for (const lane of this.#lanes.values()) {
      for (const delivery of lane.values()) {
        if (found.length >= most) return found;
        if (isAskedFor(delivery)) found.push(delivery);
      }
    }
    return found;
  }

  /** Those that are still here have ended, or have a row. */
  forget(deliveries: OwedDelivery[]): void {
    for (const { installationId, id, eventSeq } of deliveries) {
      const lane = this.#lanes.get(installationId);
      if (!lane?.delete(id)) continue;
      if (lane.size === 0) this.#lanes.delete(installationId);
      this.#size--;
      if (--this.#events.get(eventSeq)!.left > 0) continue;
      this.#events.delete(eventSeq);
      this.#done.add(eventSeq);
    }
  }

  /** The outbox rows of these are gone. */
  removed(events: number[]): void {
    for (const seq of events) this.#done.delete(seq);
  }

  clear(): void {
    this.#lanes.clear();
    this.#events.clear();
    this.#done.clear();
    this.#size = 0;
  }

  #laneOf({ installationId }: OwedDelivery): Map<string, OwedDelivery> {
    let lane = this.#lanes.get(installationId);
    if (!lane) {
      lane = new Map();
      this.#lanes.set(installationId, lane);
    }
    return lane;
  }
}
