// The engine of this process, on its share of all that is to be sent: as much as is fair among those that share it.
import type { Share } from '../store/engine-store.ts';
import type { LaneState } from '../store/rows.ts';
import type { Attempts } from '../webhooks/attempts.ts';
import { Engine } from '../webhooks/engine.ts';
import { wellLane } from '../webhooks/health.ts';
import { noticeOwed } from './change-installation.ts';
import { EngineLog } from './engine-log.ts';
import type { LaneCounts } from './metrics.ts';
import type { HostParts, Published } from './parts.ts';
import { WhileHeld } from './while-held.ts';

/** Commits of other connections (another process, the product's own transactions) are noticed within this. */
const LOOK_MS = 20;

export class Sending {
  readonly #parts: HostParts;
  readonly #onCallsOwed: () => void;
  readonly #undeclaredSaid = new Set<string>();
  readonly #held: WhileHeld<Share>;
  #engine: Engine | undefined;
  #attempts: Attempts | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isLooking = false;

  /** @param onCallsOwed hears that add-ons are to be told something of their webhooks. */
  constructor(parts: HostParts, onCallsOwed: () => void) {
    this.#parts = parts;
    this.#onCallsOwed = onCallsOwed;
    this.#held = new WhileHeld({
      name: 'send webhooks',
      log: parts.settings.log,
      tryTake: () => parts.store.engine.tryShare(),
      begin: (share) => this.#begin(share),
      end: (share) => this.#end(share),
    });
  }

  start(): Promise<void> {
    return this.#held.start();
  }

  stop(): Promise<void> {
    return this.#held.stop();
  }

  wake(): void {
    if (!this.#engine) return;
    this.#engine.wake();
    void this.#tellRecovered(this.#engine);
  }

  publishing(events: Published[]): void {
    for (const { row, scopesToSeeAll } of events) this.#engine?.remember(row, scopesToSeeAll);
  }

  published(): void {
    this.#engine?.wake();
  }

  /** Resolves when no attempt rests any more on what its gate saw before the call. */
  async settle(): Promise<void> {
    await this.#attempts?.settle();
  }

  expect(installationId: string, state?: LaneState): void {
    this.#engine?.expect(installationId, state);
  }

  async #begin(share: Share): Promise<void> {
    const { store, settings, metrics } = this.#parts;
    const { clock, log, random } = settings;
    this.#attempts = this.#parts.openAttempts(share, (eventType, pointers) =>
      this.#sayUndeclared(eventType, pointers),
    );
    const engine = new Engine({
      store,
      attempts: this.#attempts,
      clock,
      random,
      log,
      observer: new EngineLog(metrics, log),
      notice: (installationId, kind) => noticeOwed(installationId, kind, this.#parts),
      onCallsOwed: this.#onCallsOwed,
      share,
    });
    this.#engine = engine;
    metrics.engineStarted(() => ({ ...laneCounts(engine), buckets: share.size }));
    await share.start(engine);
    engine.start();
    this.#timer = setInterval(() => void this.#look(share, engine), LOOK_MS).unref();
  }

  /** What is under way ends here; the rest others may send meanwhile. */
  async #end(share: Share): Promise<void> {
    clearInterval(this.#timer);
    const engine = this.#engine;
    this.#engine = undefined;
    try {
      const drained = engine?.stop();
      await share.release(drained);
      await drained;
      await this.#attempts?.close();
    } finally {
      this.#parts.metrics.engineStopped();
      this.#attempts = undefined;
    }
  }

  async #look(share: Share, engine: Engine): Promise<void> {
    if (this.#isLooking) return;
    this.#isLooking = true;
    try {
      if (await engine.hear(() => share.lookForWork())) this.wake();
    } catch {
      // The next time: whoever has something to read or to write says what is wrong with the database.
    } finally {
      this.#isLooking = false;
    }
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

function laneCounts(engine: Engine): Omit<LaneCounts, 'buckets'> {
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
