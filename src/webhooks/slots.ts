// The slots of the bulkhead: attempts under way at once, and who may have how many of them. Lanes that fail or are slow
// share a quarter; with those that have not answered yet they share a half; the rest is always there for lanes that are
// well.

export type Standing = 'well' | 'untried' | 'troubled';

/** Attempts under way at once. */
export const SLOTS = 256;
const TROUBLED_SHARE = SLOTS / 4;
const UNPROVEN_SHARE = SLOTS / 2;

export class Slots {
  readonly #taken: Record<Standing, number> = { well: 0, untried: 0, troubled: 0 };

  get taken(): number {
    return this.#taken.well + this.#taken.untried + this.#taken.troubled;
  }

  get free(): number {
    return SLOTS - this.taken;
  }

  mayTake(standing: Standing): boolean {
    const { untried, troubled } = this.#taken;
    if (this.free <= 0) return false;
    if (standing === 'troubled') return troubled < TROUBLED_SHARE;
    if (standing === 'untried') return troubled + untried < UNPROVEN_SHARE;
    return true;
  }

  /**
   * How many one lane may hold: no more than are left (a dynamic threshold, after Choudhury and Hahne), so that a lane
   * alone gets half of all, and many get equal parts.
   */
  laneMayTake(held: number): boolean {
    return held === 0 || held < this.free;
  }

  take(standing: Standing): void {
    this.#taken[standing]++;
  }

  give(standing: Standing): void {
    this.#taken[standing]--;
  }

  /** What a lane holds counts for another standing from now on. */
  move(held: number, from: Standing, to: Standing): void {
    this.#taken[from] -= held;
    this.#taken[to] += held;
  }
}
