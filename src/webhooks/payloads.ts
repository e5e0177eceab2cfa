// Events on their way out, kept for as long as their deliveries are likely to follow each other: read once, redacted
// once for all who may see the same. Bounded in bytes; what is not here is read from the store.
import { traceOf } from '../core/trace.ts';
import type { Platform } from '../platform/platform.ts';
import { redact, scopesToSeeAll } from '../platform/redact.ts';
import type { OwedEventStore } from '../store/event-store.ts';
import type { EventRow, OwedDelivery, Withheld } from '../store/rows.ts';
import { envelope } from './envelope.ts';
import type { KnownRecipient } from './recipients.ts';

/** What one recipient gets to see. */
export interface Body {
  bytes: Buffer;
  withheld: Withheld[];
}

interface Kept {
  event: EventRow;
  /** What is needed to see all of it; undefined if nobody sees all. */
  scopesToSeeAll: string[] | undefined;
  isForOne: boolean;
  bodies: Map<string, Body>;
  /** In memory, roughly, in bytes. */
  size: number;
}

const MOST_BYTES = 64 * 1024 * 1024;
/** So many ids may stand in the order for nothing. */
const FEW = 1_024;
/** What a row costs besides its payload, roughly. */
const ROW_BYTES = 1_024;

export class Payloads {
  readonly #events: OwedEventStore;
  readonly #platform: Platform;
  readonly #onUndeclared: (eventType: string, pointers: string[]) => void;
  readonly #kept = new Map<string, Kept>();
  /** Their ids, the oldest first, from `#oldest` on: a Map is slow to find its first after many were deleted. */
  #order: string[] = [];
  #oldest = 0;
  #bytes = 0;

  constructor(parts: {
    events: OwedEventStore;
    platform: Platform;
    onUndeclared: (eventType: string, pointers: string[]) => void;
  }) {
    this.#events = parts.events;
    this.#platform = parts.platform;
    this.#onUndeclared = parts.onUndeclared;
  }

  /** Being published: it need not be read and parsed again. @param scopes to see all of it; undefined if nobody does. */
  remember(event: EventRow, scopes: string[] | undefined): void {
    if (event.payload.length > MOST_BYTES / 16) return;
    if (this.#kept.has(event.id)) return;
    const kept: Kept = {
      event,
      scopesToSeeAll: scopes,
      isForOne: false,
      bodies: new Map(),
      size: event.payload.length + ROW_BYTES,
    };
    this.#order.push(event.id);
    this.#kept.set(event.id, kept);
    this.#bytes += kept.size;
    while (this.#bytes > MOST_BYTES) this.#forgetOldest();
  }

  /** One only is told of it. */
  tellsOne(eventId: string): void {
    const kept = this.#kept.get(eventId);
    if (kept) kept.isForOne = true;
  }

  /** It is not sent to this recipient again, most probably. */
  sent(eventId: string): void {
    if (this.#kept.get(eventId)?.isForOne) this.#forget(eventId);
  }

  #forgetOldest(): void {
    this.#forget(this.#order[this.#oldest++]!);
  }

  #forget(id: string): void {
    const kept = this.#kept.get(id);
    if (!kept) return;
    this.#bytes -= kept.size;
    this.#kept.delete(id);
    if (this.#order.length < 2 * this.#kept.size + FEW) return;
    this.#order = [...this.#kept.keys()];
    this.#oldest = 0;
  }

  known({ eventId }: OwedDelivery): EventRow | undefined {
    return this.#kept.get(eventId)?.event;
  }

  /** For the log; undefined where the event was not read. */
  traceId(delivery: OwedDelivery): string | undefined {
    const event = this.known(delivery);
    return event && traceOf(event);
  }

  /** What a lane will want soon, read together. */
  async prefetch(deliveries: OwedDelivery[]): Promise<void> {
    const missing = deliveries.filter(({ eventId }) => !this.#kept.has(eventId));
    if (missing.length === 0) return;
    for (const event of await this.#events.findAllOwed(missing)) this.#keep(event);
  }

  /** undefined when the event is past retention. */
  async event(delivery: OwedDelivery): Promise<EventRow | undefined> {
    const event = await this.#events.findOwed(delivery);
    if (event) this.#keep(event);
    return event;
  }

  #keep(event: EventRow): void {
    const fields = this.#platform.events.get(event.type)?.fields;
    if (fields) this.remember(event, scopesToSeeAll(parse(event), fields));
  }

  body(event: EventRow, recipient: KnownRecipient): Body {
    const kept = this.#kept.get(event.id);
    const known = kept?.bodies.get(recipient.scopesKey);
    if (known) return known;
    const body =
      kept?.scopesToSeeAll?.every((scope) => recipient.scopes.has(scope)) === true
        ? { bytes: this.#wrap(event, event.payload), withheld: [] }
        : this.#redacted(event, recipient);
    // One that only one is told of is not asked for again, most of the time.
    if (kept && kept.bodies.size < MOST_BODIES) {
      kept.bodies.set(recipient.scopesKey, body);
      kept.size += body.bytes.length;
      this.#bytes += body.bytes.length;
    }
    return body;
  }

  #redacted(event: EventRow, { scopes }: KnownRecipient): Body {
    const { fields } = this.#platform.events.get(event.type)!;
    const { payload, withheld, undeclared } = redact(parse(event), fields, scopes);
    if (undeclared.length > 0) this.#onUndeclared(event.type, undeclared);
    return { bytes: this.#wrap(event, Buffer.from(JSON.stringify(payload))), withheld };
  }

  #wrap(event: EventRow, data: Buffer): Buffer {
    return envelope(this.#platform.body, event, data);
  }
}

/** Of one event: as many as there are different sets of scopes, in most places few. */
const MOST_BODIES = 16;

function parse({ payload }: EventRow): unknown {
  return JSON.parse(payload.toString('utf8'));
}
