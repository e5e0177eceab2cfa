// Group commit of what came of attempts. While the log cannot be written, nothing more is sent: an attempt
// nobody remembers would be made again.
import type { Logger } from '../core/log.ts';
import type { DeliveryStore } from '../store/delivery-store.ts';
import type { AttemptRecord, LaneState, LifecycleCall } from '../store/rows.ts';

const MOST_PER_COMMIT = 256;
/** So many are written at once; fewer wait for others. */
const WORTH_A_COMMIT = 128;
const LONGEST_WAIT_MS = 8;
const RETRY_MS = 500;
const MOST_UNRECORDED = 512;
const LONGEST_WRITE_MS = 1_000;

export class Recorder {
  readonly #deliveries: DeliveryStore;
  readonly #log: Logger;
  readonly #onRecorded: (attempts: AttemptRecord[], calls: number) => void;
  #attempts: AttemptRecord[] = [];
  #lanes = new Map<string, LaneState>();
  #calls: LifecycleCall[] = [];
  #timer: NodeJS.Timeout | undefined;
  #immediate: NodeJS.Immediate | undefined;
  #writing: Promise<void> | undefined;
  #writingSince = 0;
  #underWrite = 0;
  isFailing = false;

  constructor(
    deliveries: DeliveryStore,
    log: Logger,
    onRecorded: (attempts: AttemptRecord[], calls: number) => void,
  ) {
    this.#deliveries = deliveries;
    this.#log = log;
    this.#onRecorded = onRecorded;
  }

  /** Too much is not recorded, or for too long: what is sent now would be sent again if this process died. */
  get isBehind(): boolean {
    if (this.isFailing || this.#attempts.length + this.#underWrite >= MOST_UNRECORDED) return true;
    return this.#writing !== undefined && performance.now() - this.#writingSince > LONGEST_WRITE_MS;
  }

  add(attempt: AttemptRecord): void {
    this.#attempts.push(attempt);
    this.#flushSoon();
  }

  /** How an endpoint fares now, with the next commit. */
  note(state: LaneState): void {
    this.#lanes.set(state.installationId, { ...state });
    this.#flushSoon();
  }

  /** What an add-on is to be told, with the next commit. */
  tell(call: LifecycleCall): void {
    this.#calls.push(call);
    this.#flushSoon();
  }

  /** Writes what is left. */
  async drain(): Promise<void> {
    while (this.#hasWork() || this.#writing) {
      await (this.#writing ?? this.#write());
      if (this.isFailing) return;
    }
  }

  #hasWork(): boolean {
    return this.#attempts.length > 0 || this.#lanes.size > 0 || this.#calls.length > 0;
  }

  #flushSoon(): void {
    if (this.#writing || this.isFailing || this.#immediate) return;
    if (this.#attempts.length >= WORTH_A_COMMIT) {
      // With what else this turn of the event loop writes.
      this.#immediate = setImmediate(() => void this.#write());
    } else this.#timer ??= setTimeout(() => void this.#write(), LONGEST_WAIT_MS);
  }

  #write(): Promise<void> {
    clearTimeout(this.#timer);
    clearImmediate(this.#immediate);
    this.#timer = undefined;
    this.#immediate = undefined;
    const attempts = this.#attempts.splice(0, MOST_PER_COMMIT);
    const lanes = this.#lanes;
    const calls = this.#calls;
    this.#lanes = new Map();
    this.#calls = [];
    this.#writingSince = performance.now();
    this.#underWrite = attempts.length;
    this.#writing = this.#deliveries
      .record({ attempts, lanes: [...lanes.values()], calls, isRepeated: this.isFailing })
      .then(() => {
        this.isFailing = false;
        this.#writing = undefined;
        this.#underWrite = 0;
        this.#onRecorded(attempts, calls.length);
        if (this.#hasWork()) this.#flushSoon();
      })
      .catch((error: unknown) => {
        this.isFailing = true;
        this.#writing = undefined;
        this.#underWrite = 0;
        this.#attempts.unshift(...attempts);
        this.#lanes = new Map([...lanes, ...this.#lanes]);
        this.#calls.unshift(...calls);
        this.#log.error(
          { err: error },
          'attempts could not be recorded; nothing is sent until they are',
        );
        this.#timer = setTimeout(() => void this.#write(), RETRY_MS);
      });
    return this.#writing;
  }
}
