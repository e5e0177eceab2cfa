// What one process does for all that share a database: lifecycle calls, security events, replays, and what has an end.
import type { InTurn } from '../core/in-turn.ts';
import { lifecycleSequence } from '../lifecycle/sequence.ts';
import type { EngineLock } from '../store/engine-store.ts';
import type { DueSecurityEvent } from '../store/oauth-rows.ts';
import type { LifecycleCall } from '../store/rows.ts';
import { makeOwedCall } from './lifecycle-call.ts';
import type { HostParts } from './parts.ts';
import { ReplayRunner } from './replay-runner.ts';
import { letGo } from './retention.ts';
import { securityEventSequence } from './security-events.ts';
import { WhileHeld } from './while-held.ts';

/** What other processes owe is noticed within this, or what the store takes for soon enough. */
const LOOK_MS = 20;
/** What has a time to end by: handshakes that were forgotten, secrets that were replaced. */
const ENDINGS_MS = 5_000;
const LET_GO_MS = 3_600_000;

export class Leading {
  readonly #parts: HostParts;
  readonly #held: WhileHeld<EngineLock>;
  #sequence: InTurn<LifecycleCall> | undefined;
  #securityEvents: InTurn<DueSecurityEvent> | undefined;
  #replays: ReplayRunner | undefined;
  #lettingGo: Promise<void> | undefined;
  #timers: NodeJS.Timeout[] = [];
  #isLooking = false;

  constructor(parts: HostParts) {
    this.#parts = parts;
    this.#held = new WhileHeld({
      name: 'lead',
      log: parts.settings.log,
      tryTake: () => parts.store.engine.tryLock(),
      begin: () => this.#begin(),
      end: (lock) => this.#end(lock),
    });
  }

  start(): Promise<void> {
    return this.#held.start();
  }

  stop(): Promise<void> {
    return this.#held.stop();
  }

  wake(): void {
    this.#sequence?.wake();
    this.#securityEvents?.wake();
    this.#replays?.wake();
  }

  async #begin(): Promise<void> {
    const { store, settings, expect } = this.#parts;
    const { clock, log, random } = settings;
    this.#sequence = lifecycleSequence({
      store: store.lifecycle,
      clock,
      log,
      random,
      make: (call) => makeOwedCall(call, this.#parts),
    });
    this.#securityEvents = securityEventSequence(this.#parts);
    this.#replays = new ReplayRunner({ store: store.replays, clock, log, expect });
    this.#sequence.start();
    this.#securityEvents.start();
    this.#replays.wake();
    this.#timers = [
      setInterval(() => void this.#look(), LOOK_MS),
      setInterval(() => this.#endWhatIsOver(), ENDINGS_MS),
      setInterval(() => this.#letGo(), LET_GO_MS),
    ];
    for (const timer of this.#timers) timer.unref();
    this.#letGo();
  }

  async #end(lock: EngineLock): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    try {
      await this.#replays?.stop();
      await Promise.all([this.#sequence?.stop(), this.#securityEvents?.stop(), this.#lettingGo]);
    } finally {
      await lock.release();
    }
    this.#replays = this.#sequence = this.#securityEvents = undefined;
  }

  async #look(): Promise<void> {
    if (this.#isLooking) return;
    this.#isLooking = true;
    try {
      if (await this.#parts.store.engine.hasForeignChanges()) this.wake();
    } catch {
      // The next time: whoever has something to read or to write says what is wrong with the database.
    } finally {
      this.#isLooking = false;
    }
  }

  #endWhatIsOver(): void {
    const { store, settings } = this.#parts;
    const { clock, log } = settings;
    store.installations.refuseForgottenHandshakes(clock.now()).catch((error: unknown) => {
      log.error({ err: error }, 'forgotten handshakes could not be ended');
    });
    store.installations.forgetPreviousSecrets(clock.now()).catch((error: unknown) => {
      log.error({ err: error }, 'secrets that were replaced could not be deleted');
    });
  }

  /** Beside the rest, never before it. */
  #letGo(): void {
    this.#lettingGo ??= letGo(this.#parts)
      .catch((error: unknown) => {
        const { log } = this.#parts.settings;
        log.error({ err: error }, 'what is past retention could not be let go; again in an hour');
      })
      .finally(() => {
        this.#lettingGo = undefined;
      });
  }
}
