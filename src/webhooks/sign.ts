// Three signatures on one request: Standard Webhooks, Connect's JWT, and the hub header of Bitbucket and
// GitHub. Made at the moment of sending, with the secrets of that moment.
import { createHmac } from 'node:crypto';
import { toSeconds } from '../core/clock.ts';
import { JWT_LIFETIME_SECONDS, queryStringHash, signHs256 } from '../core/connect-jwt.ts';
import { hmacKey } from '../core/secrets.ts';
import type { SignatureKind } from '../platform/definition.ts';
import type { InstallationSecrets } from '../store/installation-secrets.ts';

export interface WebhookToSign {
  deliveryId: string;
  url: string;
  addonBaseUrl: string;
  clientKey: string;
  body: Buffer;
  secrets: Pick<InstallationSecrets, 'shared' | 'webhook'>;
  now: number;
}

export function signatureHeaders(
  webhook: WebhookToSign,
  kinds: ReadonlySet<SignatureKind>,
): Record<string, string> {
  const timestamp = toSeconds(webhook.now);
  return {
    'webhook-id': webhook.deliveryId,
    'webhook-timestamp': String(timestamp),
    ...(kinds.has('standard') && { 'webhook-signature': standardSignature(webhook, timestamp) }),
    ...(kinds.has('connect') && { authorization: `JWT ${connectToken(webhook, timestamp)}` }),
    ...(kinds.has('hub') && hubHeaders(webhook)),
  };
}

/** Standard Webhooks v1: HMAC-SHA256 of `id.timestamp.body` under the bytes behind `whsec_`. */
export function standardSignature(
  { deliveryId, body, secrets }: Pick<WebhookToSign, 'deliveryId' | 'body' | 'secrets'>,
  timestamp: number,
): string {
  const key = hmacKey(secrets.webhook.replace(/^whsec_/, ''), 'base64');
  const mac = createHmac('sha256', key)
    .update(`${deliveryId}.${timestamp}.`)
    .update(body)
    .digest('base64');
  return `v1,${mac}`;
}

/** `aud` is an array: Express add-ons read aud[0], Python ones accept either. */
function connectToken(
  { url, addonBaseUrl, clientKey, secrets }: WebhookToSign,
  iat: number,
): string {
  const claims = {
    iss: clientKey,
    aud: [clientKey],
    iat,
    exp: iat + JWT_LIFETIME_SECONDS,
    qsh: queryStringHash('POST', url, addonBaseUrl),
  };
  return signHs256(claims, hmacKey(secrets.shared));
}

/** HMAC-SHA256 of the body under the secret's text as it stands; both names of the header. */
export function hubSignature(body: Buffer, secret: string): string {
  return `sha256=${createHmac('sha256', hmacKey(secret)).update(body).digest('hex')}`;
}

function hubHeaders({ body, secrets }: WebhookToSign): Record<string, string> {
  const signature = hubSignature(body, secrets.webhook);
  return { 'x-hub-signature': signature, 'x-hub-signature-256': signature };
}
