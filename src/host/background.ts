// What goes on without a request. Any number of processes may serve the doors of one database: each sends for a share of
// the installations, and one of them does what is done once for all.
import type { LaneState } from '../store/rows.ts';
import { Leading } from './leading.ts';
import type { HostParts, Published } from './parts.ts';
import { Sending } from './sending.ts';
import { subscriptionsOf } from './subscriptions.ts';

export class Background {
  readonly #parts: HostParts;
  readonly #sending: Sending;
  readonly #leading: Leading;

  constructor(parts: HostParts) {
    this.#parts = parts;
    this.#leading = new Leading(parts);
    this.#sending = new Sending(parts, () => this.#leading.wake());
  }

  async start(): Promise<void> {
    await this.#refreshSubscriptions();
    await this.#sending.start();
    try {
      await this.#leading.start();
    } catch (error) {
      await this.#sending.stop();
      throw error;
    }
  }

  wake(): void {
    this.#sending.wake();
    this.#leading.wake();
  }

  publishing(events: Published[]): void {
    this.#sending.publishing(events);
  }

  published(): void {
    this.#sending.published();
  }

  settle(): Promise<void> {
    return this.#sending.settle();
  }

  expect(installationId: string, state?: LaneState): void {
    this.#sending.expect(installationId, state);
  }

  async stop(): Promise<void> {
    await Promise.all([this.#leading.stop(), this.#sending.stop()]);
  }

  /** Subscriptions are derived from the platform definition: another definition, another derivation. */
  async #refreshSubscriptions(): Promise<void> {
    const { store, settings } = this.#parts;
    const { platform, clock } = settings;
    if (await store.installations.isPlatformKnown(platform.digest)) return;
    for (let after: string | undefined; ; ) {
      const rows = await store.installations.list({ state: 'enabled', after, limit: 200 });
      for (const { id } of rows) {
        const subscriptions = await subscriptionsOf(id, this.#parts);
        await store.installations.replaceSubscriptions(id, subscriptions, clock.now());
      }
      if (rows.length < 200) break;
      after = rows.at(-1)!.id;
    }
    await store.installations.rememberPlatform(platform.digest);
  }
}
