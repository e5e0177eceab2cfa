// Makes the calls that are owed, one at a time and in order per installation: an earlier one that fails
// is tried again before the next is made. Runs in the process that runs the engine.
import { MAX_ATTEMPTS, retryDelayMs } from '../core/backoff.ts';
import type { Clock } from '../core/clock.ts';
import { newId } from '../core/ids.ts';
import type { Logger } from '../core/log.ts';
import type { LifecycleCall } from '../store/rows.ts';
import type { LifecycleStore } from '../store/store.ts';
import type { LifecycleResult } from './call.ts';

/** Longer than a call may take, so that a hold outlives it only when its process has died. */
const HOLD_MS = 45_000;
/** An install handshake is under way: look again soon. */
const HELD_RETRY_MS = 250;
const CALLS_AT_ONCE = 8;

export interface SequenceParts {
  store: LifecycleStore;
  clock: Clock;
  log: Logger;
  random: () => number;
  /** Builds, signs and sends one call; undefined if the add-on no longer declares an address for it. */
  make: (call: LifecycleCall) => Promise<LifecycleResult | undefined>;
}

export class LifecycleSequence {
  readonly #parts: SequenceParts;
  readonly #running = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #isOpen = false;
  #pass: Promise<void> = Promise.resolve();

  constructor(parts: SequenceParts) {
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
        this.#parts.log.error({ err: error }, 'lifecycle calls could not be read; trying again');
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
    const { store, clock } = this.#parts;
    const due = await store.due(clock.now(), CALLS_AT_ONCE + this.#running.size);
    for (const call of due) {
      if (this.#running.size >= CALLS_AT_ONCE) break;
      if (this.#running.has(call.installationId)) continue;
      this.#running.add(call.installationId);
      void this.#run(call);
    }
    const next = await store.nextDueAt();
    if (next !== undefined) this.#wakeIn(Math.max(next - clock.now(), HELD_RETRY_MS));
  }

  #wakeIn(ms: number): void {
    clearTimeout(this.#timer);
    if (this.#isOpen) this.#timer = setTimeout(() => this.wake(), Math.min(ms, 60_000));
  }

  async #run(call: LifecycleCall): Promise<void> {
    const { store, clock, log } = this.#parts;
    const holder = newId();
    let again = 0;
    try {
      const now = clock.now();
      if (!(await store.hold(call.installationId, holder, now, now + HOLD_MS))) {
        again = HELD_RETRY_MS;
        return;
      }
      try {
        if (await store.findOwed(call.id)) await this.#makeAndRecord(call);
      } finally {
        await store.release(call.installationId, holder);
      }
    } catch (error) {
      again = HELD_RETRY_MS;
      log.error(
        { err: error, call: call.kind, installation: call.installationId },
        'lifecycle call failed inside the host',
      );
    } finally {
      this.#running.delete(call.installationId);
      this.#wakeIn(again);
    }
  }

  async #makeAndRecord(call: LifecycleCall): Promise<void> {
    const { store, clock, random, make } = this.#parts;
    const result = await make(call);
    if (!result) {
      await store.drop(call.id);
      return;
    }
    const attempt = call.attempts + 1;
    const wait = retryDelayMs(attempt, random());
    if (result.isAccepted || result.exchange.status === 410) {
      await store.record(call.id, { state: 'done' }, result.exchange);
    } else if (attempt >= MAX_ATTEMPTS || wait === undefined) {
      await store.record(call.id, { state: 'failed' }, result.exchange);
    } else {
      await store.record(call.id, { state: 'owed', dueAt: clock.now() + wait }, result.exchange);
    }
  }
}
