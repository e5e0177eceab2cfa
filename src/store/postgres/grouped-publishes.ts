// Group commit: publishes that are asked for in one turn of the event loop, or while others are on their way, share one
// statement and one transaction. One that is refused, or has to wait, takes no other with it: they are made again then,
// each by itself.
import type { EventRow } from '../rows.ts';
import { hasWaitedForLock } from './store-errors.ts';

interface Call {
  events: EventRow[];
  resolve: (ids: string[]) => void;
  reject: (error: unknown) => void;
}

const MOST_EVENTS = 1_000;
const MOST_BYTES = 8 * 1024 * 1024;
/** Said of the database, not of what was to be written; what was lost on the way may be there. */
const OF_ALL = /^(store|database)_/;

/** @param isPatient: it may wait for whoever holds a key in a transaction of their own. */
type Write = (events: EventRow[], calls: number, isPatient: boolean) => Promise<string[]>;

export class GroupedPublishes {
  readonly #write: Write;
  readonly #mostUnderWay: number;
  readonly #mayHoldKeys: boolean;
  #waiting: Call[] = [];
  #underWay = 0;
  #isScheduled = false;

  /**
   * @param write all or nothing of them; it returns their ids in their order. @param mostUnderWay groups at a time.
   * @param mayHoldKeys one may have to wait where others need not; otherwise all of a group do.
   */
  constructor(write: Write, mostUnderWay: number, mayHoldKeys = true) {
    this.#write = write;
    this.#mostUnderWay = mostUnderWay;
    this.#mayHoldKeys = mayHoldKeys;
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

  async #publishGroup(
    calls: Call[],
    isPatient = calls.length === 1 || !this.#mayHoldKeys,
  ): Promise<void> {
    const failed = await this.#try(calls, isPatient);
    if (!failed) return;
    const { error } = failed;
    if (!isPatient && hasWaitedForLock(error)) return this.#publishApart(calls);
    const isOfAll = OF_ALL.test(String((error as { code?: string }).code));
    if (calls.length === 1 || isOfAll) for (const { reject } of calls) reject(error);
    else for (const call of calls) await this.#publishGroup([call]);
  }

  /** Those that have to wait do so together, after the others. */
  async #publishApart(calls: Call[]): Promise<void> {
    const waiting: Call[] = [];
    for (const call of calls) {
      const failed = await this.#try([call], false);
      if (failed && hasWaitedForLock(failed.error)) waiting.push(call);
      else if (failed) call.reject(failed.error);
    }
    if (waiting.length > 0) await this.#publishGroup(waiting, true);
  }

  async #try(calls: Call[], isPatient: boolean): Promise<{ error: unknown } | undefined> {
    try {
      const events = calls.flatMap((call) => call.events);
      const ids = await this.#write(events, calls.length, isPatient);
      for (const call of calls) call.resolve(ids.splice(0, call.events.length));
      return undefined;
    } catch (error) {
      return { error };
    }
  }
}
