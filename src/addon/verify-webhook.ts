// A webhook: up to three signatures on one request. Whatever is there must hold, and at least one that binds the
// body must be there.
import { createHmac, createPublicKey, timingSafeEqual, verify } from 'node:crypto';
import jwt from 'jsonwebtoken';
import { AddonError } from './errors.ts';
import { requestHash } from './qsh.ts';
import { bytesOf, headerOf, parseBody, type ReceivedRequest } from './request.ts';

/** What the `installed` call told. */
export interface InstallationKeys {
  clientKey: string;
  /** Signs the JWT. */
  sharedSecret?: string;
  /** `whsec_…`: signs the body. */
  webhookSecret?: string;
  /** `whpk_…`: an ed25519 public key, where a sender signs with `v1a`. */
  webhookPublicKey?: string;
}

export interface VerifyWebhookOptions {
  installation: InstallationKeys;
  /** The add-on's own baseUrl, as its descriptor has it. */
  baseUrl: string;
  /**
   * Signatures that must be there. Default `standard`: it binds the body, the id and the time. A host that signs with
   * `hub` alone binds the body only, and can be played back for ever.
   */
  require?: SignatureFamily[];
  /** How old a webhook may be, in seconds. Default 300. */
  toleranceSeconds?: number;
  /** Milliseconds since 1970; for tests. */
  now?: number;
}

export type SignatureFamily = 'standard' | 'connect' | 'hub';

export interface VerifiedWebhook {
  /** The same on every attempt and replay: drop what you have seen. undefined where no signature binds it. */
  id: string | undefined;
  event: string | undefined;
  attempt: number;
  /** Which signatures were there, and held. */
  signatures: SignatureFamily[];
  body: Record<string, unknown>;
  /** Fields the host left out for want of a scope, as it names them. */
  withheld: string | undefined;
}

/**
 * Whose webhook it claims to be: only to find the secrets that must verify it.
 * @returns the clientKey in the unverified JWT
 */
export function clientKeyOf(headers: ReceivedRequest['headers']): string | undefined {
  const token = /^JWT (.+)$/.exec(String(headers.authorization ?? ''))?.[1];
  try {
    const claims = token === undefined ? null : jwt.decode(token);
    return typeof claims === 'object' ? claims?.iss : undefined;
  } catch {
    return undefined;
  }
}

/** @throws AddonError if any signature does not hold, or none binds the body */
export function verifyWebhook(
  request: ReceivedRequest,
  options: VerifyWebhookOptions,
): VerifiedWebhook {
  const body = bytesOf(request);
  const signatures: SignatureFamily[] = [];
  if (verifyStandard(request, body, options)) signatures.push('standard');
  if (verifyConnect(request, options)) signatures.push('connect');
  if (verifyHub(request, body, options)) signatures.push('hub');
  const missing = (options.require ?? ['standard']).find((family) => !signatures.includes(family));
  if (missing !== undefined || !(signatures.includes('standard') || signatures.includes('hub'))) {
    throw new AddonError(
      'signature_missing',
      `The webhook lacks a signature that binds its body (${missing ?? 'standard'}).`,
    );
  }
  const parsed = parseBody(body);
  return {
    id: signatures.includes('standard') ? headerOf(request, 'webhook-id') : undefined,
    event: signedEvent(request, parsed),
    attempt: Number(headerOf(request, 'x-attempt-number') ?? 1),
    signatures,
    body: parsed,
    withheld: headerOf(request, 'mortise-withheld'),
  };
}

/** X-Event-Key is not signed; where the body says what it is, that counts. */
function signedEvent(request: ReceivedRequest, body: Record<string, unknown>): string | undefined {
  const header = headerOf(request, 'x-event-key');
  const named = [body.event, body.type].find((name): name is string => typeof name === 'string');
  if ('data' in body && named !== undefined && header !== undefined && header !== named) {
    throw new AddonError('signature_wrong', 'X-Event-Key is not the event of the body.');
  }
  return 'data' in body && named !== undefined ? named : header;
}

/** Standard Webhooks: `v1` HMAC-SHA256 and `v1a` ed25519 over `id.timestamp.body`; one of several suffices. */
function verifyStandard(
  request: ReceivedRequest,
  body: Buffer,
  options: VerifyWebhookOptions,
): boolean {
  const header = headerOf(request, 'webhook-signature');
  if (header === undefined) return false;
  const id = headerOf(request, 'webhook-id') ?? '';
  const timestamp = headerOf(request, 'webhook-timestamp') ?? '';
  const age = Math.abs((options.now ?? Date.now()) / 1000 - Number(timestamp));
  if (!/^\d+$/.test(timestamp) || age > (options.toleranceSeconds ?? 300)) {
    throw new AddonError('timestamp_stale', 'The webhook is too old, or its clock is wrong.');
  }
  const signed = Buffer.concat([Buffer.from(`${id}.${timestamp}.`), body]);
  const { webhookSecret, webhookPublicKey } = options.installation;
  const holds = header.split(' ').some((signature) => {
    const [version, value = ''] = signature.split(',');
    if (version === 'v1' && webhookSecret !== undefined) {
      const key = Buffer.from(webhookSecret.replace(/^whsec_/, ''), 'base64');
      return equal(value, createHmac('sha256', key).update(signed).digest('base64'));
    }
    if (version === 'v1a' && webhookPublicKey !== undefined) {
      return verify(null, signed, ed25519Key(webhookPublicKey), Buffer.from(value, 'base64'));
    }
    return false;
  });
  if (!holds) throw new AddonError('signature_wrong', 'The webhook-signature does not hold.');
  return true;
}

/** RFC 8410: an ed25519 public key is its 32 bytes behind a fixed prefix. */
function ed25519Key(text: string) {
  const raw = Buffer.from(text.replace(/^whpk_/, ''), 'base64');
  const der = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), raw]);
  return createPublicKey({ key: der, format: 'der', type: 'spki' });
}

/** Connect's JWT: HS256, for this installation and this address. */
function verifyConnect(
  request: ReceivedRequest,
  { installation, baseUrl, now }: VerifyWebhookOptions,
): boolean {
  const token = /^JWT (.+)$/.exec(headerOf(request, 'authorization') ?? '')?.[1];
  if (token === undefined || installation.sharedSecret === undefined) return false;
  let claims: jwt.JwtPayload;
  try {
    claims = jwt.verify(token, installation.sharedSecret, {
      algorithms: ['HS256'],
      audience: installation.clientKey,
      issuer: installation.clientKey,
      clockTolerance: 30,
      ...(now !== undefined && { clockTimestamp: Math.floor(now / 1000) }),
    }) as jwt.JwtPayload;
  } catch (error) {
    throw new AddonError('signature_wrong', `The JWT does not hold: ${(error as Error).message}.`);
  }
  if (claims.qsh !== requestHash(request.method, request.url, baseUrl)) {
    throw new AddonError('signature_wrong', 'The JWT was made for another address.');
  }
  return true;
}

/** Bitbucket's and GitHub's header: HMAC-SHA256 of the body under the secret's text. */
function verifyHub(
  request: ReceivedRequest,
  body: Buffer,
  { installation }: VerifyWebhookOptions,
): boolean {
  const header = headerOf(request, 'x-hub-signature-256') ?? headerOf(request, 'x-hub-signature');
  if (header === undefined || installation.webhookSecret === undefined) return false;
  const expected = `sha256=${createHmac('sha256', installation.webhookSecret).update(body).digest('hex')}`;
  if (!equal(header, expected))
    throw new AddonError('signature_wrong', 'The X-Hub-Signature does not hold.');
  return true;
}

function equal(a: string, b: string): boolean {
  const [x, y] = [Buffer.from(a), Buffer.from(b)];
  return x.length === y.length && timingSafeEqual(x, y);
}
