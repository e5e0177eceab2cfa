// OAuth 1.0a (RFC 5849): temporary credentials → [consent](oauth1-consent.ts) → token credentials, and signed API calls.
// Every one of them: read → consumer → token → signature → nonce. A nonce is kept only of what was signed rightly, so
// that strangers cannot fill the store.
import { toSeconds } from '../core/clock.ts';
import { randomSecret, sha256 } from '../core/secrets.ts';
import type { Caller } from '../oauth/access-token.ts';
import { malformed, unproven } from '../oauth/oauth1/errors.ts';
import { holdsSignature } from '../oauth/oauth1/signature.ts';
import {
  type ReceivedRequest,
  readSignedRequest,
  type SignedRequest,
  TIMESTAMP_WINDOW_SECONDS,
} from '../oauth/oauth1/signed-request.ts';
import { isRegistered } from '../oauth/redirect-uri.ts';
import type { Oauth1Consumer } from '../store/oauth1-rows.ts';
import { oauth1SecretRow } from './consumers.ts';
import type { HostParts } from './parts.ts';

export interface Credentials {
  token: string;
  secret: string;
}

/** The verifier is shown to the user, who types it in (section 2.1). */
export const OUT_OF_BAND = 'oob';
const REQUEST_TOKEN_MS = 10 * 60_000;
const MOST_WRONG_VERIFIERS = 3;

/** Section 2.1. @throws the malformed and unproven codes */
export async function issueRequestToken(
  request: ReceivedRequest,
  parts: HostParts,
): Promise<Credentials> {
  const { signed, consumer } = await prove(request, 'none', parts);
  const { callback } = signed;
  if (!callback) throw malformed('parameter_absent', '"oauth_callback" is missing.');
  if (callback !== OUT_OF_BAND && !isRegistered(callback, consumer.redirectUris)) {
    throw malformed(
      'parameter_rejected',
      'The oauth_callback is not registered.',
      `Register that exact address for the consumer, or send "${OUT_OF_BAND}" to have the verifier shown to the user.`,
    );
  }
  const now = parts.settings.clock.now();
  const { credentials, tokenHash, secret } = newCredentials('mtq_', 'request', parts);
  await parts.store.oauth1.createRequestToken({
    tokenHash,
    clientId: consumer.id,
    secret,
    callback,
    createdAt: now,
    expiresAt: now + REQUEST_TOKEN_MS,
  });
  return credentials;
}

/** Section 2.3. @throws the malformed and unproven codes */
export async function issueAccessToken(
  request: ReceivedRequest,
  parts: HostParts,
): Promise<Credentials> {
  const { signed, consumer } = await prove(request, 'request', parts);
  if (!signed.verifier) throw malformed('parameter_absent', '"oauth_verifier" is missing.');
  const { credentials, tokenHash, secret } = newCredentials('mto_', 'access', parts);
  const exchanged = await parts.store.oauth1.exchange({
    requestTokenHash: sha256(signed.token),
    clientId: consumer.id,
    verifierHash: sha256(signed.verifier),
    mostWrongVerifiers: MOST_WRONG_VERIFIERS,
    accessTokenHash: tokenHash,
    secret,
    createdAt: parts.settings.clock.now(),
  });
  if (exchanged.kind === 'wrong-verifier') {
    throw unproven(
      'verifier_invalid',
      'The oauth_verifier is wrong.',
      `After ${MOST_WRONG_VERIFIERS} wrong ones the request token is dead.`,
    );
  }
  if (exchanged.kind === 'refused') {
    throw unproven(
      'token_rejected',
      'No user has allowed this request token, or it was used already.',
      'Send the user through the three steps again.',
    );
  }
  return credentials;
}

/** A signed API call: for the user who allowed it or, without a token, for the consumer's owner. @throws the malformed and unproven codes */
export async function findSigner(request: ReceivedRequest, parts: HostParts): Promise<Caller> {
  const { signed, consumer } = await prove(request, 'access', parts);
  const { store, settings } = parts;
  const token =
    signed.token === '' ? undefined : await store.oauth1.findAccessToken(sha256(signed.token));
  const grant = signed.token === '' ? await store.grants.findOwn(consumer.id) : token?.grant;
  if (!grant || grant.until !== null || (token && token.revokedAt !== null)) {
    throw unproven('token_rejected', 'What this call was signed for has ended.');
  }
  const { scopes } = settings.platform;
  const hasAllAccess = consumer.scopes === null && !token?.isNarrowed;
  return {
    clientId: consumer.id,
    grantId: grant.id,
    scopes: hasAllAccess
      ? [...scopes.all.keys()]
      : consumer.scopes === null
        ? grant.scopes
        : scopes.within(grant.scopes, consumer.scopes),
    resources: grant.resources,
    context: grant.context,
    installation: null,
    userId: grant.userId,
  };
}

type TokenKind = 'none' | 'request' | 'access';

/** Who signed it, beyond doubt, and never before. */
async function prove(
  request: ReceivedRequest,
  kind: TokenKind,
  parts: HostParts,
): Promise<{ signed: SignedRequest; consumer: Oauth1Consumer }> {
  const { store, box, settings } = parts;
  const now = settings.clock.now();
  const signed = readSignedRequest(request, settings.baseUrl, toSeconds(now));
  const consumer = await store.oauth1.findConsumer(signed.consumerKey);
  if (!consumer) {
    throw unproven(
      'consumer_key_unknown',
      'The oauth_consumer_key is unknown, or not of an OAuth 1 consumer, or no longer.',
    );
  }
  const tokenHash = sha256(signed.token);
  const tokenSecret = await openTokenSecret(signed, tokenHash, kind, consumer, parts);
  const row = oauth1SecretRow(consumer.id);
  const { previous } = consumer;
  const secrets = [consumer.secret, ...(previous && previous.until > now ? [previous.secret] : [])];
  const opened = secrets.map((secret) => box.open(secret, row));
  if (!holdsSignature(signed, opened, tokenSecret)) {
    throw unproven(
      'signature_invalid',
      'The oauth_signature is wrong: another secret, or another text was signed.',
      `The text signed must begin with "${signed.baseString.split('&', 2).join('&')}&".`,
    );
  }
  const isFirst = await store.oauth1.takeNonce(
    {
      clientId: consumer.id,
      token: signed.token === '' ? '' : tokenHash.toString('base64url'),
      timestamp: signed.timestamp,
      nonce: signed.nonce,
    },
    // Twice the window: one second's rounding must not let a nonce come again.
    toSeconds(now) - 2 * TIMESTAMP_WINDOW_SECONDS,
  );
  if (!isFirst) {
    throw unproven(
      'nonce_used',
      'This oauth_nonce was used before with this timestamp.',
      'Sign every request anew, also when you repeat it.',
    );
  }
  return { signed, consumer };
}

/** @returns '' without a token. @throws token_rejected, parameter_absent, parameter_rejected */
async function openTokenSecret(
  { token }: SignedRequest,
  tokenHash: Buffer,
  kind: TokenKind,
  consumer: Oauth1Consumer,
  { store, box, settings }: HostParts,
): Promise<string> {
  if (token === '') {
    if (kind === 'request') throw malformed('parameter_absent', '"oauth_token" is missing.');
    return '';
  }
  if (kind === 'none')
    throw malformed('parameter_rejected', 'A request token is asked for without an oauth_token.');
  const row =
    kind === 'request'
      ? await store.oauth1.findRequestToken(tokenHash, settings.clock.now())
      : await store.oauth1.findAccessToken(tokenHash);
  // Another consumer's is not used up for its owner.
  if (row?.clientId !== consumer.id) {
    throw unproven(
      'token_rejected',
      `The oauth_token is not ${kind === 'request' ? 'a request token' : 'an access token'} of this consumer, or no longer.`,
    );
  }
  return box.open(row.secret, tokenRow(kind, tokenHash));
}

/** @returns the credentials, this once, and what is kept of them. */
function newCredentials(prefix: string, kind: 'request' | 'access', { box }: HostParts) {
  const credentials = { token: randomSecret(prefix), secret: randomSecret() };
  const tokenHash = sha256(credentials.token);
  return {
    credentials,
    tokenHash,
    secret: box.seal(credentials.secret, tokenRow(kind, tokenHash)),
  };
}

function tokenRow(kind: 'request' | 'access', tokenHash: Buffer): string {
  return `oauth1_${kind}_tokens/${tokenHash.toString('hex')}/secret`;
}
