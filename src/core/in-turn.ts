// Does what is owed when it is due, one thing at a time of each line, however many lines there are. What is owed lives in
// the store; here is only the timer.
import type { Clock } from './clock.ts';
import type { Logger } from './log.ts';

/** So many lines at once; those that are slow do not count, up to a number that bounds sockets and memory. */
const AT_ONCE = 8;
const MOST_AT_ONCE = 64;
const SLOW_MS = 1_000;
/** After an error inside the host, or where something else holds the line. */
export const SOON_MS = 250;
const LONGEST_SLEEP_MS = 60_000;

export interface InTurnParts<T> {
  /** For the log: "lifecycle calls". */
  name: string;
  clock: Clock;
  log: Logger;
  /** What is due, at most one thing of each line. */
  due: (now: number, limit: number) => Promise<T[]>;
  nextDueAt: () => Promise<number | undefined>;
  lineOf: (item: T) => string;
  /** @returns milliseconds after which to look again. */
  work: (item: T) => Promise<number>;
}

export class InTurn<T> {
  readonly #parts: InTurnParts<T>;
  readonly #running = new Set<string>();
  /** Of those that run. */
  readonly #slow = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #isOpen = false;
  #pass: Promise<void> = Promise.resolve();

  constructor(parts: InTurnParts<T>) {
    this.#parts = parts;
  }

  start(): void {
    this.#isOpen = true;
    this.wake();
  }

  /** Something may be due now. */
  wake(): void {
    if (!this.#isOpen) return;
    clearTimeout(this.#timer);
    this.#pass = this.#pass
      .then(() => this.#startDue())
      .catch((error: unknown) => {
        this.#parts.log.error(
          { err: error },
          `${this.#parts.name} could not be read; trying again`,
        );
        this.#wakeIn(1_000);
      });
  }

  async stop(): Promise<void> {
    this.#isOpen = false;
    clearTimeout(this.#timer);
    await this.#pass;
    while (this.#running.size > 0) await new Promise((resolve) => setTimeout(resolve, 10));
  }

  async #startDue(): Promise<void> {
    const { clock, due, nextDueAt, lineOf } = this.#parts;
    for (const item of await due(clock.now(), AT_ONCE + this.#running.size)) {
      if (!this.#hasRoom) break;
      const line = lineOf(item);
      if (this.#running.has(line)) continue;
      this.#running.add(line);
      void this.#run(item, line);
    }
    const next = await nextDueAt();
    if (next !== undefined) this.#wakeIn(Math.max(next - clock.now(), SOON_MS));
  }

  get #hasRoom(): boolean {
    const running = this.#running.size;
    return running - this.#slow.size < AT_ONCE && running < MOST_AT_ONCE;
  }

  #wakeIn(ms: number): void {
    clearTimeout(this.#timer);
    if (this.#isOpen) this.#timer = setTimeout(() => this.wake(), Math.min(ms, LONGEST_SLEEP_MS));
  }

  async #run(item: T, line: string): Promise<void> {
    const { name, log, work } = this.#parts;
    let again = SOON_MS;
    const slow = setTimeout(() => {
      this.#slow.add(line);
      this.wake();
    }, SLOW_MS);
    try {
      again = await work(item);
    } catch (error) {
      log.error({ err: error, line }, `one of the ${name} failed inside the host`);
    } finally {
      clearTimeout(slow);
      this.#running.delete(line);
      this.#slow.delete(line);
      this.#wakeIn(again);
    }
  }
}
