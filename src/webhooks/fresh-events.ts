// Events that are being published, until the threads that send them have them: bounded in bytes, since what is not here
// is read from the store.
import type { EventRow } from '../store/rows.ts';

export interface FreshEvent {
  row: EventRow;
  scopesToSeeAll: string[] | undefined;
  /** One only is told of it. */
  isForOne: boolean;
}

interface Kept extends FreshEvent {
  /** Threads that have it, a bit for each. */
  sentTo: number;
}

const MOST_BYTES = 32 * 1024 * 1024;
/** What a row costs besides its payload, roughly. */
const ROW_BYTES = 1_024;

export class FreshEvents {
  readonly #kept = new Map<string, Kept>();
  readonly #everybody: number;
  #bytes = 0;

  /** @param threads at most 31. */
  constructor(threads: number) {
    this.#everybody = 2 ** threads - 1;
  }

  add(row: EventRow, scopesToSeeAll: string[] | undefined): void {
    if (this.#kept.has(row.id)) return;
    this.#bytes += row.payload.length + ROW_BYTES;
    this.#kept.set(row.id, { row, scopesToSeeAll, isForOne: false, sentTo: 0 });
    for (const [id] of this.#kept) {
      if (this.#bytes <= MOST_BYTES) return;
      this.#forget(id);
    }
  }

  tellsOne(eventId: string): void {
    const kept = this.#kept.get(eventId);
    if (kept) kept.isForOne = true;
  }

  /** The event, once for each thread; undefined afterwards, and where it is not known. */
  takeFor(thread: number, eventId: string): FreshEvent | undefined {
    const kept = this.#kept.get(eventId);
    const bit = 1 << thread;
    if (!kept || (kept.sentTo & bit) !== 0) return undefined;
    kept.sentTo |= bit;
    if (kept.sentTo === this.#everybody) this.#forget(eventId);
    return kept;
  }

  #forget(id: string): void {
    this.#bytes -= this.#kept.get(id)!.row.payload.length + ROW_BYTES;
    this.#kept.delete(id);
  }
}
