// What goes on without a request: deliveries, lifecycle calls, security events. Any number of processes may serve the doors
// of one database; the one that holds its lock does this, and when it ends another takes over.

import type { InTurn } from '../core/in-turn.ts';
import { lifecycleSequence } from '../lifecycle/sequence.ts';
import type { DueSecurityEvent } from '../store/oauth-rows.ts';
import type { LaneState, LifecycleCall } from '../store/rows.ts';
import type { EngineLock } from '../store/store.ts';
import type { Attempts } from '../webhooks/attempts.ts';
import { Engine } from '../webhooks/engine.ts';
import { wellLane } from '../webhooks/health.ts';
import { noticeOwed } from './change-installation.ts';
import { EngineLog } from './engine-log.ts';
import { makeOwedCall } from './lifecycle-call.ts';
import type { LaneCounts } from './metrics.ts';
import type { HostParts, Published } from './parts.ts';
import { ReplayRunner } from './replay-runner.ts';
import { letGo } from './retention.ts';
import { securityEventSequence } from './security-events.ts';
import { planSubscriptions } from './subscriptions.ts';

const LOCK_RETRY_MS = 500;
/** Commits of other connections (another process, the product's own transactions) are noticed within this. */
const FOREIGN_CHANGES_MS = 20;
/** What has a time to end by: handshakes that were forgotten, secrets that were replaced. */
const ENDINGS_MS = 5_000;
const LET_GO_MS = 3_600_000;

export class Background {
  readonly #parts: HostParts;
  readonly #undeclaredSaid = new Set<string>();
  #lock: EngineLock | undefined;
  #engine: Engine | undefined;
  #attempts: Attempts | undefined;
  #sequence: InTurn<LifecycleCall> | undefined;
  #securityEvents: InTurn<DueSecurityEvent> | undefined;
  #replays: ReplayRunner | undefined;
  #lettingGo: Promise<void> | undefined;
  #timers: NodeJS.Timeout[] = [];
  #isOpen = false;
  /** Taking over and standing down, one after the other. */
  #turn: Promise<void> = Promise.resolve();
  #isNoticing = false;

  constructor(parts: HostParts) {
    this.#parts = parts;
  }

  /** Starts now if this process gets the lock, or later when it becomes free. */
  async start(): Promise<void> {
    this.#isOpen = true;
    await this.#refreshSubscriptions();
    this.#turn = this.#takeOver();
    try {
      await this.#turn;
    } catch (error) {
      // Otherwise this process would keep the right to run the engine, and not run it.
      this.#isOpen = false;
      await this.#standDown();
      throw error;
    }
  }

  wake(): void {
    this.#engine?.wake();
    this.#sequence?.wake();
    this.#securityEvents?.wake();
    this.#replays?.wake();
    if (this.#engine) void this.#tellRecovered(this.#engine);
  }

  published(events: Published[]): void {
    if (!this.#engine) return;
    for (const { row, scopesToSeeAll } of events) this.#engine.remember(row, scopesToSeeAll);
    this.#engine.wake();
  }

  /** Resolves when no attempt rests any more on what its gate saw before the call. */
  async settle(): Promise<void> {
    await this.#attempts?.settle();
  }

  expect(installationId: string, state?: LaneState): void {
    this.#engine?.expect(installationId, state);
  }

  async stop(): Promise<void> {
    this.#isOpen = false;
    for (const timer of this.#timers) clearInterval(timer);
    await this.#turn.catch(() => undefined);
    await this.#standDown();
  }

  /** Ends what is under way, and lets another process go on. */
  async #standDown(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    try {
      await this.#replays?.stop();
      await Promise.all([
        this.#engine?.stop(),
        this.#sequence?.stop(),
        this.#securityEvents?.stop(),
        this.#lettingGo,
      ]);
      await this.#attempts?.close();
    } finally {
      this.#parts.metrics.engineStopped();
      await this.#lock?.release();
    }
    this.#replays = this.#engine = this.#sequence = this.#securityEvents = undefined;
    this.#attempts = this.#lock = undefined;
  }

  async #lost(lock: EngineLock): Promise<void> {
    await lock.lost;
    if (!this.#isOpen || this.#lock !== lock) return;
    const { log } = this.#parts.settings;
    log.warn('another process may run the engine now: this one could not renew its right in time');
    this.#turn = this.#turn
      .catch(() => undefined)
      .then(() => this.#standDown())
      .then(() => this.#tryLater());
  }

  #tryLater(): void {
    if (!this.#isOpen) return;
    const retry = async () => {
      try {
        await this.#takeOver();
      } catch (error) {
        const { log } = this.#parts.settings;
        log.error({ err: error }, 'the engine could not be started; trying again');
        await this.#standDown();
        this.#tryLater();
      }
    };
    this.#timers = [
      setTimeout(() => {
        this.#turn = retry();
      }, LOCK_RETRY_MS),
    ];
  }

  async #takeOver(): Promise<void> {
    const { store, settings } = this.#parts;
    if (!this.#isOpen) return;
    const lock = await store.engine.tryLock();
    if (!lock) return this.#tryLater();
    this.#lock = lock;
    void this.#lost(lock);
    const { clock, log, random } = settings;
    const { metrics } = this.#parts;
    const attempts = this.#parts.openAttempts((eventType, pointers) =>
      this.#sayUndeclared(eventType, pointers),
    );
    this.#attempts = attempts;
    const engine = new Engine({
      store,
      attempts,
      clock,
      random,
      log,
      observer: new EngineLog(metrics, log),
      notice: (installationId, kind) => noticeOwed(installationId, kind, this.#parts),
      onCallsOwed: () => this.#sequence?.wake(),
      isInCharge: () => lock.isHeld(),
    });
    this.#engine = engine;
    this.#sequence = lifecycleSequence({
      store: store.lifecycle,
      clock,
      log,
      random,
      make: (call) => makeOwedCall(call, this.#parts),
    });
    this.#securityEvents = securityEventSequence(this.#parts);
    this.#replays = new ReplayRunner({
      store: store.replays,
      clock,
      log,
      expect: (installationId) => this.expect(installationId),
    });
    // Counted once, while nobody else owes or ends anything: from here on the store tells what it commits. A table of a
    // million is a matter of tens of milliseconds, and reading the lanes follows anyway.
    metrics.engineStarted(await store.deliveries.countOwed(), () => laneCounts(engine));
    await engine.start();
    this.#sequence.start();
    this.#securityEvents.start();
    this.#replays.wake();
    this.#timers = [
      setInterval(() => void this.#noticeOthers(), FOREIGN_CHANGES_MS),
      setInterval(() => {
        const { installations } = store;
        installations.refuseForgottenHandshakes(clock.now()).catch((error: unknown) => {
          log.error({ err: error }, 'forgotten handshakes could not be ended');
        });
        installations.forgetPreviousSecrets(clock.now()).catch((error: unknown) => {
          log.error({ err: error }, 'secrets that were replaced could not be deleted');
        });
      }, ENDINGS_MS),
      setInterval(() => this.#letGo(), LET_GO_MS),
    ];
    for (const timer of this.#timers) timer.unref();
    this.#letGo();
  }

  async #noticeOthers(): Promise<void> {
    if (this.#isNoticing) return;
    this.#isNoticing = true;
    try {
      if (await this.#parts.store.engine.hasForeignChanges()) this.wake();
    } catch {
      // The next time: whoever has something to read or to write says what is wrong with the database.
    } finally {
      this.#isNoticing = false;
    }
  }

  /** Beside the deliveries, never before them. */
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

  /** Somebody, in whatever process, has declared their endpoints well. */
  async #tellRecovered(engine: Engine): Promise<void> {
    const { store, settings } = this.#parts;
    try {
      for (const id of await store.installations.takeRecovered()) engine.expect(id, wellLane(id));
    } catch (error) {
      settings.log.error({ err: error }, 'the engine could not be told of a recovery');
    }
  }

  /** Subscriptions are derived from the platform definition: another definition, another derivation. */
  async #refreshSubscriptions(): Promise<void> {
    const { store, settings } = this.#parts;
    const { platform, clock } = settings;
    if (await store.installations.isPlatformKnown(platform.digest)) return;
    for (let after: string | undefined; ; ) {
      const rows = await store.installations.list({ state: 'enabled', after, limit: 200 });
      for (const { id } of rows) {
        const grant = await store.installations.findGrant(id);
        const webhooks = await store.installations.findWebhooks(id);
        const subscriptions = planSubscriptions(webhooks, grant?.scopes ?? [], platform);
        await store.installations.replaceSubscriptions(id, subscriptions, clock.now());
      }
      if (rows.length < 200) break;
      after = rows.at(-1)!.id;
    }
    await store.installations.rememberPlatform(platform.digest);
  }

  #sayUndeclared(eventType: string, pointers: string[]): void {
    for (const pointer of pointers) {
      const name = `${eventType} ${pointer}`;
      if (this.#undeclaredSaid.has(name) || this.#undeclaredSaid.size >= 1_000) continue;
      this.#undeclaredSaid.add(name);
      this.#parts.settings.log.warn(
        { eventType, pointer },
        'a field that the payload schema does not name is left out of every delivery; name it, or say "x-open" on its object',
      );
    }
  }
}

function laneCounts(engine: Engine): LaneCounts {
  const standing = { well: 0, untried: 0, troubled: 0 };
  let breakersOpen = 0;
  let paused = 0;
  for (const lane of engine.lanes) {
    standing[lane.standing]++;
    if (lane.isProbing) breakersOpen++;
    if (lane.state.pausedAt !== null) paused++;
  }
  return { standing, breakersOpen, paused, underWay: engine.underWay };
}
