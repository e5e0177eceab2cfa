// The one loop's own time: when it goes round again, what it has begun, and its end.
import type { Clock } from '../core/clock.ts';

/** A clock that was set ahead is noticed by looking at it. */
const LONGEST_SLEEP_MS = 5_000;

/** How long it waits after a fault of the host or its store. */
export const RETRY_MS = 1_000;

export interface LoopParts {
  clock: Clock;
  /** It was asked to go round. */
  onRound: () => void;
  /** What it has waited for is due, or the clock is to be looked at again. */
  onTime: () => void;
}

export class Loop {
  readonly #parts: LoopParts;
  #isOpen = false;
  #isRoundWanted = false;
  #timer: NodeJS.Timeout | undefined;
  #timerFiresAt = Number.POSITIVE_INFINITY;
  #begun = 0;
  #closing: (() => void)[] = [];

  constructor(parts: LoopParts) {
    this.#parts = parts;
  }

  /** Nothing is begun while it is not. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  open(): void {
    this.#isOpen = true;
  }

  /** Resolves when all that was begun has ended. */
  async close(): Promise<void> {
    this.#isOpen = false;
    clearTimeout(this.#timer);
    while (this.#begun > 0) {
      await new Promise<void>((resolve) => {
        this.#closing.push(resolve);
      });
    }
  }

  begin(): void {
    this.#begun++;
  }

  end(): void {
    if (--this.#begun > 0 || this.#closing.length === 0) return;
    for (const tell of this.#closing.splice(0)) tell();
  }

  /** Once per turn of the event loop, after all answers that came in it: what starts together costs less. */
  goRound(): void {
    if (this.#isRoundWanted || !this.#isOpen) return;
    this.#isRoundWanted = true;
    setImmediate(() => {
      this.#isRoundWanted = false;
      this.#parts.onRound();
    });
  }

  wakeAt(at: number): void {
    if (!this.#isOpen) return;
    const ms = Math.min(Math.max(at - this.#parts.clock.now(), 0), LONGEST_SLEEP_MS);
    // Compared by a clock that nobody sets: how long this one still had to go may have been wrong.
    const firesAt = performance.now() + ms;
    if (firesAt >= this.#timerFiresAt) return;
    clearTimeout(this.#timer);
    this.#timerFiresAt = firesAt;
    this.#timer = setTimeout(() => {
      this.#timerFiresAt = Number.POSITIVE_INFINITY;
      this.#parts.onTime();
    }, ms);
  }
}
