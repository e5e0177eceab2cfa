// OAuth 1.0a, the user's part (RFC 5849 section 2.2): the question, and the answer with the verifier.
import { randomInt } from 'node:crypto';
import { MortiseError } from '../core/errors.ts';
import { sha256 } from '../core/secrets.ts';
import {
  allowedScopes,
  type ConsentAnswer,
  type ConsentRequest,
  grantAllowed,
  openConsent,
  takeConsent,
  userDeactivated,
} from './consent.ts';
import { OUT_OF_BAND } from './oauth1.ts';
import type { User } from './options.ts';
import type { HostParts } from './parts.ts';

export interface Oauth1ConsentRequest extends ConsentRequest {
  kind: 'oauth1';
  /** Sealed; it goes back with the verifier. */
  token: string;
  callback: string;
  /** Registered before scopes existed: everything there is, now and later. */
  hasAllAccess: boolean;
}

export type Oauth1Authorization =
  | { kind: 'sign-in' }
  | { kind: 'consent'; id: string; request: Oauth1ConsentRequest };

export type Oauth1Decision =
  | { kind: 'redirect'; to: string }
  /** Out of band: the user takes it to the consumer. */
  | { kind: 'verifier'; verifier: string; clientName: string }
  | { kind: 'denied'; clientName: string };

const TOKEN_ROW = 'oauth_consents/request/token';
/** Without look-alikes, since people type it; 16 of them are 79 bits. */
const VERIFIER_CHARACTERS = '23456789abcdefghjkmnpqrstuvwxyz';
const VERIFIER_LENGTH = 16;

/** @throws token_rejected, user_deactivated */
export async function authenticate(
  token: string,
  asker: { user: User | undefined; sessionHash: Buffer },
  parts: HostParts,
): Promise<Oauth1Authorization> {
  const { store, settings } = parts;
  const tokenHash = sha256(token);
  const requestToken = await store.oauth1.findRequestToken(tokenHash, settings.clock.now());
  const consumer = requestToken && (await store.oauth1.findConsumer(requestToken.clientId));
  if (!requestToken || requestToken.isAllowed || !consumer) {
    throw new MortiseError({
      code: 'token_rejected',
      status: 400,
      message:
        'The application sent you here with a request that was answered already or has expired.',
      hint: 'Go back to it and start again.',
    });
  }
  const { user } = asker;
  if (!user) return { kind: 'sign-in' };
  if (await store.grants.isDeactivated(user.id)) throw userDeactivated();
  const request: Oauth1ConsentRequest = {
    kind: 'oauth1',
    clientId: consumer.id,
    clientName: consumer.name,
    scopes: consumer.scopes ?? [...settings.platform.scopes.all.keys()],
    optional: [],
    token: parts.box.seal(token, TOKEN_ROW),
    callback: requestToken.callback,
    hasAllAccess: consumer.scopes === null,
  };
  const id = await openConsent(request, { user, sessionHash: asker.sessionHash }, parts);
  return { kind: 'consent', id, request };
}

/** @throws consent_over, user_deactivated */
export async function decideOauth1Consent(
  answer: ConsentAnswer,
  asker: { user: User; sessionHash: Buffer },
  parts: HostParts,
): Promise<Oauth1Decision> {
  const request = await takeConsent<Oauth1ConsentRequest>('oauth1', answer, asker, parts);
  const { callback, clientName } = request;
  const token = parts.box.open(request.token, TOKEN_ROW);
  const tokenHash = sha256(token);
  const now = parts.settings.clock.now();
  if (!answer.isAllowed) {
    await parts.store.oauth1.deny(tokenHash, now);
    if (callback === OUT_OF_BAND) return { kind: 'denied', clientName };
    const problem = { oauth_token: token, oauth_problem: 'permission_denied' };
    return { kind: 'redirect', to: withParameters(callback, problem) };
  }
  const allowed = {
    scopes: allowedScopes(request, answer.ticked),
    resources: answer.resources,
  };
  const verifier = newVerifier();
  await grantAllowed(request, asker.user, allowed, parts, (grant) =>
    parts.store.oauth1.allow(tokenHash, sha256(verifier), grant, now),
  );
  if (callback === OUT_OF_BAND) return { kind: 'verifier', verifier, clientName };
  return {
    kind: 'redirect',
    to: withParameters(callback, { oauth_token: token, oauth_verifier: verifier }),
  };
}

function newVerifier(): string {
  return Array.from(
    { length: VERIFIER_LENGTH },
    () => VERIFIER_CHARACTERS[randomInt(VERIFIER_CHARACTERS.length)],
  ).join('');
}

/** Behind what the callback has already (section 2.2), which stays as it was registered. */
function withParameters(callback: string, parameters: Record<string, string>): string {
  return `${callback}${callback.includes('?') ? '&' : '?'}${new URLSearchParams(parameters)}`;
}
