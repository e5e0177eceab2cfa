// Where attempts are made: in the engine's own thread, or in others (attempt-threads.ts).
import type { Clock } from '../core/clock.ts';
import type { Outbound } from '../core/outbound.ts';
import type { SecretBox } from '../core/secret-box.ts';
import type { Platform } from '../platform/platform.ts';
import type { GateStore } from '../store/delivery-store.ts';
import type { OwedEventStore } from '../store/event-store.ts';
import type { EventRow, OwedDelivery } from '../store/rows.ts';
import { type Attempted, type AttemptParts, attempt } from './attempt.ts';
import { Origins } from './origins.ts';
import { Payloads } from './payloads.ts';
import { Recipients } from './recipients.ts';

export interface Attempts {
  /** Of the installations whose attempts were made. */
  readonly origins: Origins;
  /**
   * One delivery, one try. Nothing that an add-on does makes it reject.
   * @param isProbe of an open breaker: a failure uses up no attempt.
   * @param random [0, 1): when it is tried again.
   * @throws AttemptBroken
   */
  make(delivery: OwedDelivery, isProbe: boolean, random: number): Promise<Attempted>;
  /** What will be sent soon, read together. */
  prefetch(deliveries: OwedDelivery[]): Promise<void>;
  /** Being published: it need not be read again. @param scopesToSeeAll of its payload; undefined if nobody sees all. */
  remember(event: EventRow, scopesToSeeAll: string[] | undefined): void;
  /** One only is told of an event that is remembered: once that is done it need not be kept. */
  tellsOne(eventId: string): void;
  /** Resolves when no attempt rests any more on what its gate saw before the call. */
  settle(): Promise<void>;
  /** When none is under way. */
  close(): Promise<void>;
}

/** A fault of the host, not of the add-on. */
export class AttemptBroken extends Error {
  /** undefined where the event was not read. */
  readonly traceId: string | undefined;

  constructor(cause: unknown, traceId: string | undefined) {
    super('A delivery failed inside the host.', { cause });
    this.traceId = traceId;
  }
}

export interface LocalAttemptsParts {
  gate: GateStore;
  events: OwedEventStore;
  platform: Platform;
  box: SecretBox;
  outbound: Outbound;
  clock: Clock;
  /** Hears where an installation is, whenever that was looked at. */
  onOrigin?: (installationId: string, origin: string) => void;
  /** Fields the payload schema does not name. */
  onUndeclared: (eventType: string, pointers: string[]) => void;
}

export class LocalAttempts implements Attempts {
  readonly origins = new Origins();
  readonly #parts: AttemptParts;

  constructor(parts: LocalAttemptsParts) {
    const onOrigin = (installationId: string, origin: string) => {
      this.origins.note(installationId, origin);
      parts.onOrigin?.(installationId, origin);
    };
    this.#parts = {
      ...parts,
      recipients: new Recipients({ ...parts, onOrigin }),
      payloads: new Payloads(parts),
    };
  }

  async make(delivery: OwedDelivery, isProbe: boolean, random: number): Promise<Attempted> {
    try {
      await this.#parts.clock.ready?.();
      return await attempt({ delivery, isProbe, random }, this.#parts);
    } catch (error) {
      throw new AttemptBroken(error, this.#parts.payloads.traceId(delivery));
    }
  }

  prefetch(deliveries: OwedDelivery[]): Promise<void> {
    return this.#parts.payloads.prefetch(deliveries);
  }

  remember(event: EventRow, scopesToSeeAll: string[] | undefined): void {
    this.#parts.payloads.remember(event, scopesToSeeAll);
  }

  tellsOne(eventId: string): void {
    this.#parts.payloads.tellsOne(eventId);
  }

  /** Between a look and the first byte nothing else runs here. */
  async settle(): Promise<void> {}

  async close(): Promise<void> {}
}
