// What the engine does, one line an attempt where the log wants that much; counted either way.
import type { Logger } from '../core/log.ts';
import type { Attempted } from '../webhooks/attempt.ts';
import type { EngineObserver } from '../webhooks/observer.ts';

export class EngineLog implements EngineObserver {
  readonly #counts: EngineObserver;
  readonly #log: Logger;

  constructor(counts: EngineObserver, log: Logger) {
    this.#counts = counts;
    this.#log = log;
  }

  attempted(attempt: Attempted): void {
    this.#counts.attempted(attempt);
    if (!this.#log.isLevelEnabled('debug')) return;
    const { delivery, number, outcome, status, reason, durationMs } = attempt.record;
    const { id, eventId: event, eventType, installationId: installation } = delivery;
    const of = { delivery: id, event, eventType, installation, traceId: attempt.traceId };
    this.#log.debug({ ...of, number, outcome, status, reason, durationMs }, 'an attempt is over');
  }
}
