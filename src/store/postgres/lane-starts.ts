// Where what is owed to an installation begins: who looks for what is due would walk each time over all that is done since
// anybody's transaction began (outbox-start.ts). What comes later is due later, but for how long a transaction takes, and
// for clocks; so a look begins some seconds before the first that was found, and one in a while at the beginning.

/** For transactions that are committed later than the time they say, milliseconds. */
const MARGIN_MS = 5_000;
/** From one look at all to the next. */
const WHOLE_EVERY_MS = 30_000;
/** Of another all is looked at. */
const MOST_KNOWN = 50_000;
/** Of the time, looks at all may take a fiftieth. */
const WHOLE_SHARE = 50;

interface Start {
  dueAt: number;
  /** By the steady clock: when all is looked at again. */
  wholeAt: number;
}

export class LaneStarts {
  readonly #wholeEveryMs: number;
  readonly #starts = new Map<string, Start>();

  constructor(wholeEveryMs = WHOLE_EVERY_MS) {
    this.#wholeEveryMs = wholeEveryMs;
  }

  /** @returns undefined: look at all */
  of(installationId: string): number | undefined {
    const start = this.#starts.get(installationId);
    return start && performance.now() < start.wholeAt ? start.dueAt : undefined;
  }

  /**
   * After a look at `now`, from `from` on.
   * @param firstDueAt of all that is owed there; undefined: nothing is
   * @param began by the steady clock
   * @returns in how long all has to be looked at, milliseconds; undefined: it just was
   */
  looked(
    installationId: string,
    now: number,
    {
      from,
      firstDueAt,
      began,
    }: { from: number | undefined; firstDueAt: number | undefined; began: number },
  ): number | undefined {
    const ended = performance.now();
    if (from === undefined && firstDueAt === undefined) {
      this.#starts.delete(installationId);
      return undefined;
    }
    const known = this.#starts.get(installationId);
    this.#starts.delete(installationId);
    // Forgotten meanwhile: what was found is not known to be the first.
    if (from !== undefined && !known) return 0;
    const wholeAt =
      from === undefined
        ? ended + Math.max(this.#wholeEveryMs, WHOLE_SHARE * (ended - began))
        : known!.wholeAt;
    this.#starts.set(installationId, {
      dueAt: Math.min(firstDueAt ?? now, now) - MARGIN_MS,
      wholeAt,
    });
    if (this.#starts.size > MOST_KNOWN) this.#starts.delete(this.#starts.keys().next().value!);
    return from === undefined ? undefined : Math.max(wholeAt - ended, 0);
  }

  /** A server may have forgotten what was done, or another have taken its place. */
  forget(): void {
    this.#starts.clear();
  }
}
