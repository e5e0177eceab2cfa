// One delivery, one try. The order is the security argument: nothing is built before the gate, and
// nothing leaves if what the gate saw has changed by the time there is a socket.
import { type Clock, isoTime } from '../core/clock.ts';
import type { Outbound } from '../core/outbound.ts';
import type { SecretBox } from '../core/secret-box.ts';
import type { Platform } from '../platform/platform.ts';
import { redact } from '../platform/redact.ts';
import { acknowledgedSecrets } from '../store/installation-secrets.ts';
import type { AttemptRecord, DeliveryForAttempt, OwedDelivery, Withheld } from '../store/rows.ts';
import type { DeliveryStore } from '../store/store.ts';
import { envelope } from './envelope.ts';
import { decideGate } from './gate.ts';
import { decideOutcome } from './outcome.ts';
import { signatureHeaders } from './sign.ts';

export interface AttemptParts {
  deliveries: DeliveryStore;
  platform: Platform;
  outbound: Outbound;
  box: SecretBox;
  clock: Clock;
  random: () => number;
  /** Fields the payload schema does not name: counted, and said once. */
  onUndeclared: (eventType: string, pointers: string[]) => void;
}

export interface Attempted {
  record: AttemptRecord;
  silentUntil: number | null;
}

const ANSWER_BYTES = 64 * 1024;
/** What the gate sees may change while a connection is made; not this often. */
const MOST_LOOKS = 5;

export async function attempt(delivery: OwedDelivery, parts: AttemptParts): Promise<Attempted> {
  if (parts.clock.now() > delivery.expiresAt) {
    return dropped(delivery, parts, 'expired', 'It was owed for too long.');
  }
  for (let look = 1; ; look++) {
    const facts = await parts.deliveries.forAttempt(delivery);
    if (!facts)
      return dropped(delivery, parts, 'event_expired', 'The event is past its retention.');
    const gate = decideGate(facts, parts.platform);
    if (!gate.ok) return dropped(delivery, parts, gate.reason, gate.message, facts.webhook.url);
    const secrets = acknowledgedSecrets(parts.box, facts.installation);
    if (!secrets)
      return dropped(delivery, parts, 'not_installed', 'The installation shares no secret.');

    const { payload, withheld, undeclared } = redact(
      JSON.parse(facts.event.payload.toString('utf8')),
      gate.eventType.fields,
      parts.platform.scopes.closure(gate.scopes),
    );
    if (undeclared.length > 0) parts.onUndeclared(facts.event.type, undeclared);
    const body = envelope(parts.platform.body, facts.event, payload);
    const now = parts.clock.now();
    const number = delivery.attempts + 1;
    const answer = await parts.outbound.send({
      method: 'POST',
      url: facts.webhook.url,
      headers: {
        ...plainHeaders(facts, delivery, number, withheld),
        ...signatureHeaders(
          {
            deliveryId: delivery.id,
            url: facts.webhook.url,
            addonBaseUrl: facts.installation.baseUrl!,
            clientKey: facts.installation.clientKey,
            body,
            secrets,
            now,
          },
          parts.platform.signatures,
        ),
      },
      body,
      maxBytes: ANSWER_BYTES,
      mayStart: () => parts.deliveries.isCurrent(facts.installation.id, facts.installation.epoch),
    });
    if (answer.kind === 'withheld') {
      if (look < MOST_LOOKS) continue;
      return dropped(
        delivery,
        parts,
        'not_installed',
        'The installation kept changing while it was being called.',
      );
    }
    const { silentUntil, ...outcome } = decideOutcome(answer, {
      secrets: [secrets.shared, secrets.webhook],
      number,
      now: parts.clock.now(),
      expiresAt: delivery.expiresAt,
      random: parts.random(),
    });
    return {
      record: { delivery, number, at: now, url: facts.webhook.url, withheld, ...outcome },
      silentUntil,
    };
  }
}

/** Kept as an attempt numbered 0: nothing was sent. */
function dropped(
  delivery: OwedDelivery,
  parts: AttemptParts,
  reason: string,
  message: string,
  url = '',
): Attempted {
  return {
    record: {
      delivery,
      number: 0,
      at: parts.clock.now(),
      durationMs: 0,
      outcome: 'dropped',
      status: null,
      reason,
      message,
      responseExcerpt: null,
      url,
      withheld: [],
      nextDueAt: null,
    },
    silentUntil: null,
  };
}

/** Bitbucket's headers, and what was withheld. */
function plainHeaders(
  { event, webhook }: DeliveryForAttempt,
  delivery: OwedDelivery,
  number: number,
  withheld: Withheld[],
): Record<string, string> {
  return {
    'content-type': 'application/json',
    'user-agent': 'Mortise-Webhooks/1',
    'x-event-key': event.type,
    'x-event-time': new Date(event.createdAt).toUTCString(),
    'x-hook-uuid': webhook.id,
    'x-request-uuid': delivery.id,
    'x-attempt-number': String(number),
    'mortise-event-id': event.id,
    'mortise-event-time': isoTime(event.createdAt),
    ...(withheld.length > 0 && { 'mortise-withheld': describeWithheld(withheld) }),
  };
}

const WITHHELD_HEADER_CHARACTERS = 1_000;
/** What no URI, and so no header, could carry. */
const LONE_SURROGATE = /\p{Surrogate}/gu;

/** `/actor/email;scope=email, …`, percent-encoded where a header could not carry it. */
export function describeWithheld(withheld: Withheld[]): string {
  const parts = withheld.map(
    ({ pointer, scope }) => `${encodeURI(pointer.replace(LONE_SURROGATE, '�'))};scope=${scope}`,
  );
  let text = '';
  for (const [i, part] of parts.entries()) {
    const more = text === '' ? part : `${text}, ${part}`;
    if (more.length > WITHHELD_HEADER_CHARACTERS) return `${text}, +${parts.length - i}`;
    text = more;
  }
  return text;
}
