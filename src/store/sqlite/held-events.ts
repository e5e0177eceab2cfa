// Events that stay in the outbox for now, since everybody who is told of them has enough in hand: a number here instead
// of a row for each delivery.

/** Of one installation, in their order. */
interface Line {
  events: number[];
  /** The first that is not known to be gone. */
  next: number;
}

export class HeldEvents {
  /** By the event's number: how many deliveries it will make, as things stood. */
  readonly #deliveries = new Map<number, number>();
  readonly #lines = new Map<string, Line>();
  /** In all lines, gone ones too. */
  #places = 0;

  get size(): number {
    return this.#deliveries.size;
  }

  get places(): number {
    return this.#places;
  }

  /** Those for whom an event may be here. */
  get installations(): Iterable<string> {
    return this.#lines.keys();
  }

  /** @param told who is told of it, one after the other. */
  add(seq: number, told: readonly (readonly [installationId: string, ...unknown[]])[]): void {
    this.#deliveries.set(seq, told.length);
    for (const [i, [installationId]] of told.entries()) {
      if (told[i - 1]?.[0] === installationId) continue;
      const line = this.#lines.get(installationId);
      if (line) line.events.push(seq);
      else this.#lines.set(installationId, { events: [seq], next: 0 });
      this.#places++;
    }
  }

  /** The first event for this installation. */
  nextFor(installationId: string): number | undefined {
    const line = this.#lines.get(installationId);
    if (!line) return undefined;
    for (; line.next < line.events.length; line.next++) {
      const seq = line.events[line.next]!;
      if (this.#deliveries.has(seq)) return seq;
    }
    this.#places -= line.events.length;
    this.#lines.delete(installationId);
    return undefined;
  }

  /** The first events for this installation. */
  firstFor(installationId: string, most: number): number[] {
    const found: number[] = [];
    const line = this.#lines.get(installationId);
    for (let i = line?.next ?? 0; line && i < line.events.length && found.length < most; i++) {
      const seq = line.events[i]!;
      if (this.#deliveries.has(seq)) found.push(seq);
    }
    return found;
  }

  /** How many deliveries an event was said to make. */
  deliveriesOf(seq: number): number {
    return this.#deliveries.get(seq) ?? 0;
  }

  /** It is held no more. */
  take(seq: number): void {
    this.#deliveries.delete(seq);
  }

  clear(): void {
    this.#deliveries.clear();
    this.#lines.clear();
    this.#places = 0;
  }
}
