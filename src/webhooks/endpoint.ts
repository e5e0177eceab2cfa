// What all installations of one add-on share: its origin. A hung server hangs for each of them, so how much is asked
// of it at once, and whether it is down, is known here.

/** Requests under way at once to one origin: at first, and at most. */
const FIRST_LIMIT = 8;
export const MOST_PER_ORIGIN = 128;
/** This much trouble without one success in between: down. */
const DOWN_AFTER = 8;

export class Endpoint {
  readonly origin: string;
  underWay = 0;
  /** Well, since this process runs. */
  hasAnswered = false;
  #limit = FIRST_LIMIT;
  #cleanRun = 0;
  #trouble = 0;

  constructor(origin: string) {
    this.origin = origin;
  }

  get hasRoom(): boolean {
    return this.underWay < this.#limit;
  }

  get isDown(): boolean {
    return this.#trouble >= DOWN_AFTER;
  }

  get isIdle(): boolean {
    return this.underWay === 0 && this.#trouble === 0;
  }

  /** Additive increase: one more after a clean run of as many as are allowed. */
  succeeded(): void {
    this.#trouble = 0;
    this.hasAnswered = true;
    if (++this.#cleanRun < this.#limit) return;
    this.#cleanRun = 0;
    this.#limit = Math.min(this.#limit * 2, MOST_PER_ORIGIN);
  }

  /** Multiplicative decrease. Slow counts too. */
  troubled(isOverload: boolean): void {
    this.#trouble++;
    this.#cleanRun = 0;
    if (isOverload) this.#limit = Math.max(1, this.#limit >> 1);
  }
}
