// Events on their way out, kept for as long as their deliveries are likely to follow each other: read once, redacted
// once for all who may see the same. Bounded in bytes; what is not here is read from the store.
import type { Platform } from '../platform/platform.ts';
import { redact } from '../platform/redact.ts';
import type { EventRow, OwedDelivery, Withheld } from '../store/rows.ts';
import type { EventStore } from '../store/store.ts';
import { envelope } from './envelope.ts';
import type { KnownRecipient } from './recipients.ts';

/** What one recipient gets to see. */
export interface Body {
  bytes: Buffer;
  withheld: Withheld[];
}

interface Kept {
  event: EventRow;
  payload: unknown;
  bodies: Map<string, Body>;
  size: number;
}

const MOST_BYTES = 32 * 1024 * 1024;
/** What parsing makes of it, roughly. */
const BYTES_PER_BYTE = 4;

export class Payloads {
  readonly #events: Pick<EventStore, 'findOwed'>;
  readonly #platform: Platform;
  readonly #onUndeclared: (eventType: string, pointers: string[]) => void;
  readonly #kept = new Map<string, Kept>();
  #bytes = 0;

  constructor(parts: {
    events: Pick<EventStore, 'findOwed'>;
    platform: Platform;
    onUndeclared: (eventType: string, pointers: string[]) => void;
  }) {
    this.#events = parts.events;
    this.#platform = parts.platform;
    this.#onUndeclared = parts.onUndeclared;
  }

  /** Just published: its payload need not be read and parsed again. */
  remember(event: EventRow, payload: unknown): void {
    const size = event.payload.length * BYTES_PER_BYTE;
    if (size > MOST_BYTES / 8 || this.#kept.has(event.id)) return;
    this.#kept.set(event.id, { event, payload, bodies: new Map(), size });
    this.#bytes += size;
    for (const [id, oldest] of this.#kept) {
      if (this.#bytes <= MOST_BYTES) break;
      this.#kept.delete(id);
      this.#bytes -= oldest.size;
    }
  }

  /** undefined when the event is past retention. */
  async event(delivery: OwedDelivery): Promise<EventRow | undefined> {
    const kept = this.#kept.get(delivery.eventId);
    if (kept) return kept.event;
    const event = await this.#events.findOwed(delivery);
    if (event) this.remember(event, JSON.parse(event.payload.toString('utf8')));
    return event;
  }

  body(event: EventRow, recipient: KnownRecipient): Body {
    const kept = this.#kept.get(event.id);
    const known = kept?.bodies.get(recipient.scopesKey);
    if (known) return known;
    const body = this.#make(
      event,
      kept ? kept.payload : JSON.parse(event.payload.toString('utf8')),
      recipient,
    );
    kept?.bodies.set(recipient.scopesKey, body);
    return body;
  }

  #make(event: EventRow, payload: unknown, { scopes }: KnownRecipient): Body {
    const { fields } = this.#platform.events.get(event.type)!;
    const { payload: visible, withheld, undeclared } = redact(payload, fields, scopes);
    if (undeclared.length > 0) this.#onUndeclared(event.type, undeclared);
    return { bytes: envelope(this.#platform.body, event, visible), withheld };
  }
}
