// Three signatures on one request: Standard Webhooks, Connect's JWT, and the hub header of Bitbucket and
// GitHub. Made at the moment of sending, with the secrets of that moment.
import { createHmac } from 'node:crypto';
import { toSeconds } from '../core/clock.ts';
import { JWT_LIFETIME_SECONDS, queryStringHash, signHs256 } from '../core/connect-jwt.ts';
import { hmacKey } from '../core/secrets.ts';
import type { SignatureKind } from '../platform/definition.ts';
import type { InstallationSecrets, PreviousSecrets } from '../store/installation-secrets.ts';

export interface WebhookToSign {
  deliveryId: string;
  url: string;
  addonBaseUrl: string;
  clientKey: string;
  body: Buffer;
  secrets: Pick<InstallationSecrets, 'shared' | 'webhook'>;
  /** What a rotation has replaced. */
  previous?: Pick<PreviousSecrets, 'webhook' | 'until'>;
  now: number;
}

/** Writes them into `headers`. */
export function signatureHeaders(
  webhook: WebhookToSign,
  kinds: ReadonlySet<SignatureKind>,
  headers: Record<string, string> = {},
): Record<string, string> {
  const timestamp = toSeconds(webhook.now);
  headers['webhook-id'] = webhook.deliveryId;
  headers['webhook-timestamp'] = String(timestamp);
  if (kinds.has('standard')) headers['webhook-signature'] = standardSignatures(webhook, timestamp);
  if (kinds.has('connect')) headers.authorization = connectAuthorization(webhook, timestamp);
  if (kinds.has('hub')) {
    const signature = hubSignature(webhook.body, webhook.secrets.webhook);
    headers['x-hub-signature'] = signature;
    headers['x-hub-signature-256'] = signature;
  }
  return headers;
}

/** The only one of the three headers that has room for two: one of them holds, whichever secret a receiver has. */
function standardSignatures(webhook: WebhookToSign, timestamp: number): string {
  const { secrets, previous, now } = webhook;
  const signature = standardSignature(webhook, timestamp, secrets.webhook);
  if (!previous || previous.until <= now) return signature;
  return `${signature} ${standardSignature(webhook, timestamp, previous.webhook)}`;
}

/** Standard Webhooks v1: HMAC-SHA256 of `id.timestamp.body` under the bytes behind `whsec_`. */
export function standardSignature(
  { deliveryId, body }: Pick<WebhookToSign, 'deliveryId' | 'body'>,
  timestamp: number,
  webhookSecret: string,
): string {
  const key = hmacKey(webhookSecret.replace(/^whsec_/, ''), 'base64');
  const mac = createHmac('sha256', key)
    .update(`${deliveryId}.${timestamp}.`)
    .update(body)
    .digest('base64');
  return `v1,${mac}`;
}

/** Tokens of this second: nothing in one tells two requests to the same address apart. */
let second = { iat: 0, tokens: new Map<string, string>() };

function connectAuthorization(webhook: WebhookToSign, iat: number): string {
  if (second.iat !== iat) second = { iat, tokens: new Map() };
  const name = `${webhook.clientKey} ${webhook.url} ${webhook.addonBaseUrl} ${webhook.secrets.shared}`;
  let authorization = second.tokens.get(name);
  if (authorization === undefined) {
    authorization = `JWT ${connectToken(webhook, iat)}`;
    second.tokens.set(name, authorization);
  }
  return authorization;
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
