// Group commit: publishes that are asked for in one turn of the event loop, or while others are on their way, share one
// statement and one transaction. One that is refused takes no other with it: they are made again then, each by itself.
import type { EventRow } from '../rows.ts';

interface Call {
  events: EventRow[];
  resolve: (ids: string[]) => void;
  reject: (error: unknown) => void;
}

const MOST_EVENTS = 1_000;
const MOST_BYTES = 8 * 1024 * 1024;
/** Said of the database, not of what was to be written; what was lost on the way may be there. */
const OF_ALL = /^(store|database)_/;

export class GroupedPublishes {
  readonly #write: (events: EventRow[], calls: number) => Promise<string[]>;
  readonly #mostUnderWay: number;
  #waiting: Call[] = [];
  #underWay = 0;
  #isScheduled = false;

  /** @param write all or nothing of them; it returns their ids in their order. @param mostUnderWay groups at a time. */
  constructor(
    write: (events: EventRow[], calls: number) => Promise<string[]>,
    mostUnderWay: number,
  ) {
    this.#write = write;
    this.#mostUnderWay = mostUnderWay;
  }

  publish(events: EventRow[]): Promise<string[]> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ events, resolve, reject });
      if (this.#isScheduled) return;
      this.#isScheduled = true;
      setImmediate(() => {
        this.#isScheduled = false;
        this.#next();
      });
    });
  }

  #next(): void {
    while (this.#waiting.length > 0 && this.#underWay < this.#mostUnderWay) {
      this.#underWay++;
      void this.#publishGroup(this.#takeGroup()).finally(() => {
        this.#underWay--;
        this.#next();
      });
    }
  }

  #takeGroup(): Call[] {
    let events = 0;
    let bytes = 0;
    const end = this.#waiting.findIndex((call, i) => {
      events += call.events.length;
      for (const { payload } of call.events) bytes += payload.length;
      return i > 0 && (events > MOST_EVENTS || bytes > MOST_BYTES);
    });
    return this.#waiting.splice(0, end === -1 ? this.#waiting.length : end);
  }

  async #publishGroup(calls: Call[]): Promise<void> {
    try {
      const ids = await this.#write(
        calls.flatMap(({ events }) => events),
        calls.length,
      );
      for (const { events, resolve } of calls) resolve(ids.splice(0, events.length));
    } catch (error) {
      const isOfAll = OF_ALL.test(String((error as { code?: string }).code));
      if (calls.length === 1 || isOfAll) for (const { reject } of calls) reject(error);
      else for (const call of calls) await this.#publishGroup([call]);
    }
  }
}
