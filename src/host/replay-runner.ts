// Makes replays due, chunk by chunk and no faster than each was asked for. Where one stands is in the store: killed
// anywhere, the next process goes on. Runs in the process that leads.
import { setTimeout } from 'node:timers/promises';
import type { Clock } from '../core/clock.ts';
import type { Logger } from '../core/log.ts';
import type { ReplayRow } from '../store/replay-rows.ts';
import type { ReplayStore } from '../store/replay-store.ts';
import { DELIVERY_LIFETIME_MS } from '../webhooks/fan-out.ts';

export interface RunnerParts {
  store: ReplayStore;
  clock: Clock;
  log: Logger;
  /** Something was made due for an installation. */
  expect: (installationId: string) => void;
}

const CHUNKS_PER_SECOND = 5;
const MOST_PER_CHUNK = 500;
const RETRY_MS = 1_000;

export class ReplayRunner {
  readonly #parts: RunnerParts;
  readonly #running = new Map<string, Promise<void>>();
  readonly #end = new AbortController();

  constructor(parts: RunnerParts) {
    this.#parts = parts;
  }

  /** A replay may have been asked for. */
  wake(): void {
    if (this.#isOver) return;
    this.#parts.store
      .running()
      .then((replays) => {
        for (const replay of replays) this.#start(replay);
      })
      .catch((error: unknown) => {
        this.#parts.log.error({ err: error }, 'replays could not be read');
      });
  }

  async stop(): Promise<void> {
    this.#end.abort();
    await Promise.all(this.#running.values());
  }

  get #isOver(): boolean {
    return this.#end.signal.aborted;
  }

  #start(replay: ReplayRow): void {
    if (this.#isOver || this.#running.has(replay.id)) return;
    const run = this.#run(replay).finally(() => this.#running.delete(replay.id));
    this.#running.set(replay.id, run);
  }

  async #run({ id, perSecond }: ReplayRow): Promise<void> {
    const { store, clock, log, expect } = this.#parts;
    const most = Math.min(Math.max(1, Math.round(perSecond / CHUNKS_PER_SECOND)), MOST_PER_CHUNK);
    while (!this.#isOver) {
      try {
        const now = clock.now();
        const chunk = await store.advance(id, { most, now, expiresAfterMs: DELIVERY_LIFETIME_MS });
        if (!chunk) return;
        for (const installationId of chunk.installationIds) expect(installationId);
        if (chunk.isOver) return;
        // Also after a page with nothing to take: reading on costs too.
        await this.#pause(Math.max(chunk.done / perSecond, 1 / CHUNKS_PER_SECOND) * 1_000);
      } catch (error) {
        log.error({ err: error, replay: id }, 'a replay could not be moved on; trying again');
        await this.#pause(RETRY_MS);
      }
    }
  }

  /** Until then, or until this ends. */
  async #pause(ms: number): Promise<void> {
    await setTimeout(ms, undefined, { signal: this.#end.signal }).catch(() => undefined);
  }
}
