// An event type's example as a webhook would carry it, to try an endpoint: redacted and signed as always, marked, and
// sent whatever is known of the endpoint.
import { newId } from '../core/ids.ts';
import type { Outbound } from '../core/outbound.ts';
import { traceOf } from '../core/trace.ts';
import type { EventType, Platform } from '../platform/platform.ts';
import { redact } from '../platform/redact.ts';
import type { WebhookRow } from '../store/rows.ts';
import { headersOf, secretsIn } from './attempt.ts';
import { envelope } from './envelope.ts';
import { decideOutcome, type Outcome } from './outcome.ts';
import type { KnownRecipient } from './recipients.ts';

const ANSWER_BYTES = 64 * 1024;
const SIGNATURES = ['webhook-signature', 'x-hub-signature', 'x-hub-signature-256'];

export interface TestDelivery {
  method: 'POST';
  url: string;
  /** Without the token and the signatures, which whoever reads this could use. */
  headers: Record<string, string>;
  body: string;
  outcome: Pick<Outcome, 'status' | 'reason' | 'message' | 'responseExcerpt' | 'durationMs'>;
}

/** @returns undefined if `mayStart` said no: nothing was sent */
export async function sendTest(
  eventType: EventType,
  {
    installation,
    secrets,
    previous,
    scopes,
  }: Pick<KnownRecipient, 'installation' | 'secrets' | 'previous' | 'scopes'>,
  webhook: WebhookRow,
  parts: { platform: Platform; outbound: Outbound; now: number; mayStart: () => boolean },
): Promise<TestDelivery | undefined> {
  const { platform, outbound, now, mayStart } = parts;
  const event = { id: newId(now), type: eventType.type, createdAt: now };
  const { payload, withheld } = redact(eventType.example, eventType.fields, scopes);
  const bytes = envelope(platform.body, event, Buffer.from(JSON.stringify(payload)));
  const headers = headersOf(
    {
      event,
      traceId: traceOf({ ...event, traceId: null }),
      delivery: { id: newId(now), replayId: null },
      number: 1,
      now,
      body: { bytes, withheld },
      recipient: { installation, secrets, previous },
      gate: { webhook },
    },
    platform,
  );
  headers['mortise-test'] = 'true';
  const { url } = webhook;
  const answer = await outbound.send({
    method: 'POST',
    url,
    headers,
    body: bytes,
    maxBytes: ANSWER_BYTES,
    mayStart,
  });
  if (answer.kind === 'withheld') return undefined;
  const { authorization: _, ...shown } = headers;
  for (const name of SIGNATURES) if (name in shown) shown[name] = '…';
  const outcome = decideOutcome(answer, {
    secrets: () => secretsIn({ secrets, previous }, headers),
    number: 1,
    isProbe: true,
    now,
    expiresAt: now,
    random: 0,
  });
  return { method: 'POST', url, headers: shown, body: bytes.toString('utf8'), outcome };
}
