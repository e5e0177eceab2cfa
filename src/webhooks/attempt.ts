// One delivery, one try. The order is the security argument: nothing is built before the gate, and
// nothing leaves if what the gate saw has changed by the time there is a socket.
import { type Clock, isoTime } from '../core/clock.ts';
import { MortiseError } from '../core/errors.ts';
import type { Outbound } from '../core/outbound.ts';
import { spanOf, traceOf, traceparentOf } from '../core/trace.ts';
import type { Platform } from '../platform/platform.ts';
import type { GateStore } from '../store/delivery-store.ts';
import type { AttemptRecord, EventRow, OwedDelivery, Withheld } from '../store/rows.ts';
import { decideGate, type GateDecision, type Refused } from './gate.ts';
import { decideOutcome } from './outcome.ts';
import type { Body, Payloads } from './payloads.ts';
import type { KnownRecipient, Recipients } from './recipients.ts';
import { signatureHeaders } from './sign.ts';

export interface AttemptParts {
  gate: GateStore;
  recipients: Recipients;
  payloads: Payloads;
  platform: Platform;
  outbound: Outbound;
  clock: Clock;
}

export interface AskedAttempt {
  delivery: OwedDelivery;
  /** Of an open breaker: a failure uses up no attempt. */
  isProbe: boolean;
  /** [0, 1): when it is tried again. */
  random: number;
}

export interface Attempted {
  record: AttemptRecord;
  /** Of what was sent; 0 if nothing was. */
  bytes: number;
  /** null where the event is past retention. */
  traceId: string | null;
  silentUntil: number | null;
  /** The gate refuses more than this one. */
  refusal: Refusal | undefined;
}

export interface Refusal {
  reason: string;
  message: string;
  refuses: Refused;
  /** Of the installation, when this was so. */
  epoch: number;
}

const ANSWER_BYTES = 64 * 1024;
/** What the gate sees may change while a connection is made; not this often. */
const MOST_LOOKS = 5;

export async function attempt(
  { delivery, isProbe, random }: AskedAttempt,
  parts: AttemptParts,
): Promise<Attempted> {
  const { recipients, payloads, platform, clock } = parts;
  if (clock.now() > delivery.expiresAt) {
    return dropped(delivery, parts, { reason: 'expired', message: EXPIRED });
  }
  const event = payloads.known(delivery) ?? (await payloads.event(delivery));
  if (!event) {
    const message = 'The event is past its retention.';
    return dropped(delivery, parts, { reason: 'event_expired', message });
  }
  const decide = (to: KnownRecipient) => decideGate(event, to, delivery, platform);
  const traceId = traceOf(event);
  let recipient = recipients.known(delivery.installationId);
  const withheldAt = new Set<number>();
  for (let look = 1; look <= MOST_LOOKS; look++) {
    let gate = recipient && decide(recipient);
    // A refusal must not rest on what was kept.
    if (!recipient || !gate?.ok || !recipient.secrets) {
      recipient = await recipients.look(delivery.installationId);
      gate = recipient && decide(recipient);
    }
    const seen = { event, epoch: recipient?.installation.epoch ?? 0 };
    if (!recipient || !gate) return dropped(delivery, parts, NOT_INSTALLED, seen);
    if (!gate.ok) return dropped(delivery, parts, gate, seen);
    if (!recipient.secrets) return dropped(delivery, parts, NOT_INSTALLED, seen);

    const body = payloads.body(event, recipient);
    const { installation } = recipient;
    const now = clock.now();
    const number = delivery.attempts + 1;
    const headers = headersOf(
      { event, traceId, delivery, number, now, body, recipient, gate },
      platform,
    );
    const answer = await parts.outbound.send({
      method: 'POST',
      url: gate.webhook.url,
      headers,
      body: body.bytes,
      maxBytes: ANSWER_BYTES,
      mayStart: () => parts.gate.isCurrent(installation.id, installation.epoch),
    });
    if (answer.kind === 'withheld') {
      withheldAt.add(installation.epoch);
      recipient = undefined;
      continue;
    }
    const called = recipient;
    const { silentUntil, ...outcome } = decideOutcome(answer, {
      secrets: () => secretsIn(called, headers),
      number,
      isProbe,
      now: clock.now(),
      expiresAt: delivery.expiresAt,
      random,
    });
    if (outcome.outcome !== 'retry') payloads.sent(event.id);
    // It is switched off when that is recorded: from then on who looks sees it.
    if (outcome.reason === 'gone') recipients.forget(installation.id);
    const { url } = gate.webhook;
    return {
      record: { delivery, isProbe, number, at: now, url, withheld: body.withheld, ...outcome },
      bytes: body.bytes.length,
      traceId,
      silentUntil,
      refusal: undefined,
    };
  }
  if (withheldAt.size < MOST_LOOKS) throw gateUnsure();
  const message = 'The installation kept changing while it was being called.';
  return dropped(delivery, parts, { reason: 'not_installed', message }, { event, epoch: 0 });
}

/** What an answer might echo. */
export function secretsIn(
  { secrets, previous }: Pick<KnownRecipient, 'secrets' | 'previous'>,
  { authorization }: Record<string, string>,
): string[] {
  const known = [secrets, previous].filter((each) => each !== undefined);
  const token = authorization ? [authorization.slice('JWT '.length)] : [];
  return [...known.flatMap(({ shared, webhook }) => [shared, webhook]), ...token];
}

/** It has not changed each time: the store could not tell in time. */
function gateUnsure(): MortiseError {
  return new MortiseError({
    code: 'gate_unsure',
    status: 503,
    message: 'Whether the installation has changed could not be told in time, so nothing was sent.',
    hint: 'It is tried again. If it lasts, look at how long the database takes to answer, and at what keeps the event loop.',
  });
}

export const EXPIRED = 'It was owed for too long.';
const NOT_INSTALLED = {
  reason: 'not_installed',
  message: 'The installation shares no secret.',
};

/** Kept as an attempt numbered 0: nothing was sent. */
function dropped(
  delivery: OwedDelivery,
  { clock }: AttemptParts,
  { reason, message, refuses }: { reason: string; message: string; refuses?: Refused },
  seen: { event?: EventRow; epoch: number } = { epoch: 0 },
): Attempted {
  return {
    record: {
      delivery,
      number: 0,
      at: clock.now(),
      durationMs: 0,
      outcome: 'dropped',
      status: null,
      reason,
      message,
      responseExcerpt: null,
      url: '',
      withheld: [],
      nextDueAt: null,
    },
    bytes: 0,
    traceId: seen.event ? traceOf(seen.event) : null,
    silentUntil: null,
    refusal: refuses && { reason, message, refuses, epoch: seen.epoch },
  };
}

interface ToSend {
  event: Pick<EventRow, 'id' | 'type' | 'createdAt'>;
  traceId: string;
  delivery: Pick<OwedDelivery, 'id' | 'replayId'>;
  number: number;
  now: number;
  body: Body;
  recipient: Pick<KnownRecipient, 'installation' | 'secrets' | 'previous'>;
  gate: Pick<GateDecision & { ok: true }, 'webhook'>;
}

/** Bitbucket's headers, what was withheld, and the signatures. */
export function headersOf(
  { event, traceId, delivery, number, now, body, recipient, gate }: ToSend,
  platform: Platform,
): Record<string, string> {
  const { installation, secrets, previous } = recipient;
  const date = dateOf(event.createdAt);
  const headers: Record<string, string> = {
    'content-type': 'application/json',
    'user-agent': 'Mortise-Webhooks/1',
    'x-event-key': event.type,
    'x-event-time': date.http,
    'x-hook-uuid': gate.webhook.id,
    'x-request-uuid': delivery.id,
    'x-attempt-number': String(number),
    traceparent: traceparentOf(traceId, spanOf(delivery.id, now)),
    'mortise-event-id': event.id,
    'mortise-event-time': date.iso,
  };
  if (delivery.replayId !== null) headers['mortise-replay'] = delivery.replayId;
  if (body.withheld.length > 0) headers['mortise-withheld'] = describeWithheld(body.withheld);
  signatureHeaders(
    {
      deliveryId: delivery.id,
      url: gate.webhook.url,
      addonBaseUrl: installation.baseUrl!,
      clientKey: installation.clientKey,
      body: body.bytes,
      secrets: secrets!,
      previous,
      now,
    },
    platform.signatures,
    headers,
  );
  return headers;
}

let lastDate = { ms: Number.NaN, http: '', iso: '' };

/** Of one event many are told one after the other. */
function dateOf(ms: number): { http: string; iso: string } {
  if (ms !== lastDate.ms) lastDate = { ms, http: new Date(ms).toUTCString(), iso: isoTime(ms) };
  return lastDate;
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
