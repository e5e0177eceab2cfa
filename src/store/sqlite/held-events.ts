// Events that stay in the outbox for now, since everybody who is told of them has enough in hand: a number here instead of
// a row for each delivery. Whoever comes to the end of what is in hand takes its next from here, and so do those who do not
// come to it for long: in the table, what waits for them is out of everybody's way.
import type { HandedOut } from './handed-out.ts';
import type { Told } from './subscribers.ts';

/** What all installations together have in hand before events are held back, and what each has at least. */
const ENOUGH = 4_096;
const FEWEST_EACH = 16;
/** Places in lines, some eight bytes each. */
const MOST_PLACES = 1_000_000;
/** So many places may be of events that are gone. */
const FEW = 1_024;

/** Of one installation, in their order. */
interface Line {
  events: number[];
  /** The first that is not known to be gone. */
  next: number;
}

export class HeldEvents {
  readonly #handed: HandedOut;
  /** By the event's number: how many deliveries it will make, as things stood. */
  readonly #deliveries = new Map<number, number>();
  readonly #lines = new Map<string, Line>();
  #places = 0;
  /** Installations that do not come to what they have in hand. */
  readonly #late = new Set<string>();

  /** @param handed what everybody has in hand. */
  constructor(handed: HandedOut) {
    this.#handed = handed;
  }

  get isEmpty(): boolean {
    return this.#deliveries.size === 0;
  }

  /** Whether all who are told of an event have enough to do. */
  mayAdd(told: Told[]): boolean {
    if (told.length === 0 || this.#places + told.length > MOST_PLACES) return false;
    return told.every(([installationId]) => this.#hasEnough(installationId));
  }

  /** @param told who is told of it, one installation after the other. */
  add(seq: number, told: Told[]): void {
    this.#deliveries.set(seq, told.length);
    for (const [i, [installationId]] of told.entries()) {
      if (told[i - 1]?.[0] === installationId) continue;
      const line = this.#lines.get(installationId);
      if (line) line.events.push(seq);
      else this.#lines.set(installationId, { events: [seq], next: 0 });
      this.#places++;
    }
  }

  /** One event after the other, for as long as the installation it is for has little in hand. Each is to be taken. */
  *wanted(): Generator<number> {
    for (const installationId of [...this.#lines.keys()]) {
      while (!this.#hasEnough(installationId)) {
        const line = this.#lineOf(installationId);
        if (!line) break;
        yield line.events[line.next]!;
      }
    }
  }

  /** The first events of somebody who is late, at most so many. */
  late(most: number): number[] {
    for (const installationId of this.#late) {
      const line = this.#lineOf(installationId);
      if (line) return firstOf(line, most, (seq) => this.#deliveries.has(seq));
      this.#late.delete(installationId);
    }
    return [];
  }

  /** It has not come to what it has in hand for long: what waits for it goes to the table. */
  noteLate(installationId: string): void {
    this.#late.add(installationId);
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
    this.#late.clear();
  }

  #hasEnough(installationId: string): boolean {
    // What it gets from now on comes after what waits for it.
    if (this.#late.has(installationId)) return true;
    const count = this.#handed.countOf(installationId);
    return count >= FEWEST_EACH && count * this.#handed.lanes >= ENOUGH;
  }

  /** @returns undefined if no event waits for the installation; otherwise `next` is one that does */
  #lineOf(installationId: string): Line | undefined {
    const line = this.#lines.get(installationId);
    if (!line) return undefined;
    while (line.next < line.events.length && !this.#deliveries.has(line.events[line.next]!))
      line.next++;
    const isOver = line.next === line.events.length;
    if (isOver) this.#lines.delete(installationId);
    if (isOver || line.next > Math.max(FEW, line.events.length / 2)) {
      line.events.splice(0, line.next);
      this.#places -= line.next;
      line.next = 0;
    }
    return isOver ? undefined : line;
  }
}

function firstOf(line: Line, most: number, isHere: (seq: number) => boolean): number[] {
  const found: number[] = [];
  for (let i = line.next; i < line.events.length && found.length < most; i++) {
    const seq = line.events[i]!;
    if (isHere(seq)) found.push(seq);
  }
  return found;
}
