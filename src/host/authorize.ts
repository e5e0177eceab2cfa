// GET /oauth2/authorize (RFC 6749 section 4.1.1): consumer → redirect_uri ‖ response_type → PKCE → scope → user →
// consent. Left of ‖ a fault is a page, since nobody knows whom to redirect to; right of it, it is a redirect.
import { MortiseError } from '../core/errors.ts';
import { isChallenge } from '../oauth/pkce.ts';
import { isRegistered } from '../oauth/redirect-uri.ts';
import { narrowScopes } from '../oauth/scope-parameter.ts';
import type { GrantView } from '../store/oauth-rows.ts';
import type { ClientRow } from '../store/rows.ts';
import { answerUrl } from './answer-url.ts';
import type { AuthorizationRequest } from './authorization-request.ts';
import { redirectUriWrong } from './authorize-faults.ts';
import { openConsent } from './consent.ts';
import { answerFromGrant } from './decide-consent.ts';
import type { User } from './options.ts';
import type { HostParts } from './parts.ts';

export type Authorization =
  | { kind: 'sign-in' }
  | { kind: 'redirect'; to: string }
  | { kind: 'consent'; id: string; request: AuthorizationRequest };

/** @throws client_unknown, redirect_uri_wrong: faults that must not be redirected */
export async function authorize(
  parameters: ReadonlyMap<string, string>,
  asker: { user: User | undefined; sessionHash: Buffer },
  parts: HostParts,
): Promise<Authorization> {
  const client = await findClient(parameters, parts);
  const redirectTo = decideRedirect(parameters, client);
  const state = parameters.get('state') ?? null;
  const request = readRequest(parameters, client, redirectTo, parts);
  if (request instanceof MortiseError) {
    const { code, message } = request;
    return {
      kind: 'redirect',
      to: answerUrl(redirectTo, { error: code, error_description: message, state }, parts),
    };
  }
  const { user } = asker;
  if (!user) return { kind: 'sign-in' };
  if (await parts.store.grants.isDeactivated(user.id)) {
    return {
      kind: 'redirect',
      to: answerUrl(redirectTo, { error: 'access_denied', state }, parts),
    };
  }
  if (parameters.get('prompt') !== 'consent' && !client.isPublic) {
    const before = await parts.store.grants.findOfUser(user.id, client.id);
    const to =
      before && coversAll(before, request.scopes, parts)
        ? await answerFromGrant(request, user, before, parts)
        : undefined;
    if (to !== undefined) return { kind: 'redirect', to };
  }
  const id = await openConsent(request, { user, sessionHash: asker.sessionHash }, parts);
  return { kind: 'consent', id, request };
}

async function findClient(
  parameters: ReadonlyMap<string, string>,
  parts: HostParts,
): Promise<ClientRow> {
  const id = parameters.get('client_id');
  const client = id === undefined ? undefined : await parts.store.clients.find(id);
  if (client?.isEnabled && client.kind === 'consumer') return client;
  throw new MortiseError({
    code: 'client_unknown',
    status: 400,
    message: 'The application that sent you here is not known, or no longer.',
    hint: 'Go back to it, and tell its author that "client_id" is wrong.',
  });
}

function decideRedirect(parameters: ReadonlyMap<string, string>, client: ClientRow): string {
  const given = parameters.get('redirect_uri');
  const only = client.redirectUris.length === 1 ? client.redirectUris[0] : undefined;
  if (given === undefined && only !== undefined) return only;
  if (given !== undefined && isRegistered(given, client.redirectUris)) return given;
  throw redirectUriWrong();
}

function readRequest(
  parameters: ReadonlyMap<string, string>,
  client: ClientRow,
  redirectTo: string,
  parts: HostParts,
): AuthorizationRequest | MortiseError {
  const { platform } = parts.settings;
  if (parameters.get('response_type') !== 'code') {
    return fault('unsupported_response_type', 'Only response_type=code is offered.');
  }
  const codeChallenge = parameters.get('code_challenge') ?? null;
  const method = parameters.get('code_challenge_method');
  if (codeChallenge === null && client.isPublic)
    return fault('invalid_request', 'A public consumer must send a code_challenge.');
  if (codeChallenge !== null && (method !== 'S256' || !isChallenge(codeChallenge))) {
    return fault('invalid_request', 'The code_challenge must be of the method S256.');
  }
  const allowed = client.scopes ?? [...platform.scopes.all.keys()];
  try {
    const required = parameters.get('scope');
    const optionalOnly = parameters.get('optional_scope');
    const optional = optionalOnly ? narrowScopes(optionalOnly, allowed, platform.scopes) : [];
    const wanted =
      required || optional.length === 0 ? narrowScopes(required, allowed, platform.scopes) : [];
    return {
      kind: 'oauth2',
      clientId: client.id,
      clientName: client.name,
      redirectTo,
      redirectUri: parameters.get('redirect_uri') ?? null,
      state: parameters.get('state') ?? null,
      scopes: [...new Set([...wanted, ...optional])],
      optional: optional.filter((scope) => !wanted.includes(scope)),
      codeChallenge,
    };
  } catch (error) {
    if (error instanceof MortiseError) return error;
    throw error;
  }
}

/** Nothing new is asked: what was granted before covers it. A first consent is never skipped. */
function coversAll(before: GrantView, scopes: string[], { settings }: HostParts): boolean {
  return scopes.every((scope) => settings.platform.scopes.covers(before.scopes, scope));
}

function fault(code: string, message: string): MortiseError {
  return new MortiseError({ code, status: 400, message });
}
