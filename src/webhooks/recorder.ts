// Group commit of what came of attempts. While the log cannot be written, nothing more is sent: an attempt
// nobody remembers would be made again.
import type { Logger } from '../core/log.ts';
import type { AttemptRecord } from '../store/rows.ts';
import type { DeliveryStore } from '../store/store.ts';

const MOST_PER_COMMIT = 256;
const LONGEST_WAIT_MS = 10;
const RETRY_MS = 500;

export class Recorder {
  readonly #deliveries: DeliveryStore;
  readonly #log: Logger;
  readonly #onRecorded: (records: AttemptRecord[]) => void;
  #waiting: AttemptRecord[] = [];
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> | undefined;
  isFailing = false;

  constructor(
    deliveries: DeliveryStore,
    log: Logger,
    onRecorded: (records: AttemptRecord[]) => void,
  ) {
    this.#deliveries = deliveries;
    this.#log = log;
    this.#onRecorded = onRecorded;
  }

  add(record: AttemptRecord): void {
    this.#waiting.push(record);
    if (this.#waiting.length >= MOST_PER_COMMIT) this.#flushSoon(0);
    else this.#flushSoon(LONGEST_WAIT_MS);
  }

  /** Writes what is left. */
  async drain(): Promise<void> {
    while (this.#waiting.length > 0 || this.#writing) {
      clearTimeout(this.#timer);
      this.#timer = undefined;
      await (this.#writing ?? this.#write());
      if (this.isFailing) return;
    }
  }

  #flushSoon(ms: number): void {
    if (ms === 0) clearTimeout(this.#timer);
    else if (this.#timer || this.#writing) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (!this.#writing) void this.#write();
    }, ms);
  }

  #write(): Promise<void> {
    const records = this.#waiting.splice(0, MOST_PER_COMMIT);
    this.#writing = this.#deliveries
      .record(records)
      .then(() => {
        this.isFailing = false;
        this.#writing = undefined;
        this.#onRecorded(records);
        if (this.#waiting.length > 0) this.#flushSoon(LONGEST_WAIT_MS);
      })
      .catch((error: unknown) => {
        this.isFailing = true;
        this.#writing = undefined;
        this.#waiting.unshift(...records);
        this.#log.error(
          { err: error },
          'attempts could not be recorded; nothing is sent until they are',
        );
        this.#flushSoon(RETRY_MS);
      });
    return this.#writing;
  }
}
