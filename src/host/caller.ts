// Who calls the product's API: a bearer token, a Connect JWT, a token as a Basic password (git), or an OAuth 1 signature.
import type { Context } from 'koa';
import { MortiseError } from '../core/errors.ts';
import { sha256 } from '../core/secrets.ts';
import {
  ACCESS_TOKEN_PREFIX,
  type Caller,
  decideGrant,
  decideToken,
} from '../oauth/access-token.ts';
import { isSigned } from '../oauth/oauth1/signed-request.ts';
import { readFormBody } from './form-body.ts';
import { findSigner } from './oauth1.ts';
import type { HostParts } from './parts.ts';

export interface ApiRequest {
  authorization: string | undefined;
  method: string;
  /** Path and query as received. */
  url: string;
  /** Whose body is read if it is a form and a signature covers it. Without it OAuth 1 is not offered. */
  ctx?: Context;
}

export type CallerDecision =
  | { caller: Caller }
  /** No credentials, or of a kind that is not ours. */
  | { missing: true }
  | { reason: string }
  /** An OAuth 1 request that is malformed or not proven (RFC 5849 section 3.2). */
  | { refusal: MortiseError };

/** @param basicUser accept Basic with this user name and a token as password, as git sends it. */
export async function findCaller(
  request: ApiRequest,
  parts: HostParts,
  basicUser?: string,
): Promise<CallerDecision> {
  const decision = await decideCaller(request, parts, basicUser);
  if (!('missing' in decision))
    parts.metrics.tokenChecked('caller' in decision ? 'accepted' : 'refused');
  return decision;
}

async function decideCaller(
  request: ApiRequest,
  parts: HostParts,
  basicUser?: string,
): Promise<CallerDecision> {
  if (request.ctx && isSigned(request)) {
    return bySignature(request, await readFormBody(request.ctx), parts);
  }
  const [, scheme = '', value = ''] = /^(\S+) +(\S+)$/.exec(request.authorization ?? '') ?? [];
  if (scheme.toLowerCase() === 'bearer') return byToken(value, parts);
  if (scheme === 'JWT') return byJwt(value, request, parts);
  if (basicUser !== undefined && scheme.toLowerCase() === 'basic') {
    const [user, token] = splitBasic(value);
    if (user === basicUser) return byToken(token, parts);
  }
  return { missing: true };
}

async function byToken(token: string, parts: HostParts): Promise<CallerDecision> {
  if (!token.startsWith(ACCESS_TOKEN_PREFIX)) return { reason: 'This is not an access token.' };
  const check = await parts.store.tokens.check(sha256(token));
  return decideToken(check, parts.settings.platform.scopes, parts.settings.clock.now());
}

/** The JWT stands for the installation itself, with all it was granted. */
async function byJwt(
  token: string,
  request: ApiRequest,
  parts: HostParts,
): Promise<CallerDecision> {
  const { store, jwt, settings } = parts;
  const now = settings.clock.now();
  const verified = await jwt.verify(token, { ...request, now });
  if ('reason' in verified) return verified;
  const { installation, isCandidate } = verified;
  const client = await store.clients.find(installation.oauthClientId);
  const handshake = isCandidate ? client?.handshake : null;
  if (isCandidate && !handshake) return { reason: 'The installation was never completed.' };
  const grant = handshake
    ? await store.installations.findHandshakeGrant(handshake.grantId)
    : await store.installations.findGrant(installation.id);
  if (!grant) return { reason: 'The add-on is not installed.' };
  const live = decideGrant(
    { ...grant, handshakeDeadline: handshake?.deadline ?? null },
    installation,
    now,
  );
  if (live !== undefined) return { reason: live };
  return {
    caller: {
      clientId: grant.clientId,
      grantId: grant.id,
      scopes: grant.scopes,
      resources: grant.resources,
      context: grant.context,
      installation,
      userId: null,
    },
  };
}

async function bySignature(
  { authorization, method, url }: ApiRequest,
  form: string | undefined,
  parts: HostParts,
): Promise<CallerDecision> {
  try {
    return { caller: await findSigner({ authorization, method, url, form }, parts) };
  } catch (error) {
    if (error instanceof MortiseError && error.status < 500) return { refusal: error };
    throw error;
  }
}

function splitBasic(value: string): [user: string, password: string] {
  const pair = Buffer.from(value, 'base64').toString('utf8');
  const colon = pair.indexOf(':');
  return colon < 0 ? [pair, ''] : [pair.slice(0, colon), pair.slice(colon + 1)];
}
