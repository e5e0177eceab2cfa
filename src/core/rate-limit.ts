// Counts by name in windows of a minute, in memory: enough to make guessing and flooding dear, and forgotten on restart.
import type { Clock } from './clock.ts';

const WINDOW_MS = 60_000;
/** Names kept at most: whoever invents names must not fill the memory. */
const NAMES_KEPT = 20_000;

export class RateLimit {
  readonly #perMinute: number;
  readonly #clock: Clock;
  #counts = new Map<string, { count: number; endsAt: number }>();

  constructor(perMinute: number, clock: Clock) {
    this.#perMinute = perMinute;
    this.#clock = clock;
  }

  /** Counts one. @returns seconds to wait when there were too many, else undefined */
  hit(name: string): number | undefined {
    const now = this.#clock.now();
    let entry = this.#counts.get(name);
    if (!entry || entry.endsAt <= now) {
      if (this.#counts.size >= NAMES_KEPT) this.#forgetOld(now);
      entry = { count: 0, endsAt: now + WINDOW_MS };
      this.#counts.set(name, entry);
    }
    entry.count++;
    return entry.count > this.#perMinute ? Math.ceil((entry.endsAt - now) / 1000) : undefined;
  }

  #forgetOld(now: number): void {
    for (const [name, { endsAt }] of this.#counts) if (endsAt <= now) this.#counts.delete(name);
    if (this.#counts.size >= NAMES_KEPT) this.#counts.clear();
  }
}
