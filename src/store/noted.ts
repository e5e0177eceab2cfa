// Uses are written down at most once a minute. What this process has written is remembered, so that every other call of
// that minute asks no database; the statements have the same condition, for the other processes' sake.

export const NOTED_EVERY_MS = 60_000;
const REMEMBERED = 10_000;

export class Noted {
  readonly #at = new Map<string, number>();

  /** Runs `write` unless it was done less than a minute before. */
  async once(key: string, at: number, write: () => Promise<void>): Promise<void> {
    const last = this.#at.get(key);
    if (last !== undefined && at - last < NOTED_EVERY_MS) return;
    await write();
    if (this.#at.size >= REMEMBERED) this.#at.clear();
    this.#at.set(key, at);
  }
}
