// A webhook as Mortise would send it, signed by Mortise's own functions, for senders that are not Mortise.
import type { SignatureKind } from '../../src/platform/definition.ts';
import { signatureHeaders } from '../../src/webhooks/sign.ts';
import type { BenchAddon } from './addons.ts';
import { EVENT_TYPE } from './push-event.ts';

const KINDS: ReadonlySet<SignatureKind> = new Set(['standard', 'connect', 'hub']);

export function webhookBody(payload: object): Buffer {
  return Buffer.from(JSON.stringify({ event: EVENT_TYPE, data: payload }));
}

export function signedHeaders(
  { url, baseUrl, clientKey, secrets }: BenchAddon,
  deliveryId: string,
  body: Buffer,
): Record<string, string> {
  return {
    'content-type': 'application/json',
    'x-event-key': EVENT_TYPE,
    ...signatureHeaders(
      { deliveryId, url, addonBaseUrl: baseUrl, clientKey, body, secrets, now: Date.now() },
      KINDS,
    ),
  };
}
