// Revocation (RFC 7009) and introspection (RFC 7662): for clients that prove themselves, about their own tokens.
import { sha256 } from '../core/secrets.ts';
import { ACCESS_TOKEN_PREFIX, decideToken } from '../oauth/access-token.ts';
import { type AuthenticatedClient, authenticateClient } from '../oauth/client-auth.ts';
import { readCredentials } from '../oauth/credentials.ts';
import { tokenError } from '../oauth/errors.ts';
import type { HostParts } from './parts.ts';
import type { TokenRequest } from './token.ts';

/** Unknown tokens and other clients' are answered like known ones (RFC 7009 section 2.2). @throws invalid_client, invalid_request */
export async function revokeToken(request: TokenRequest, parts: HostParts): Promise<void> {
  const { client } = await authenticate(request, parts);
  const token = request.parameters.get('token');
  if (token === undefined) throw tokenError('invalid_request', '"token" is missing.');
  const hash = sha256(token);
  const now = parts.settings.clock.now();
  if (token.startsWith(ACCESS_TOKEN_PREFIX)) {
    const check = await parts.store.tokens.check(hash);
    if (check?.clientId === client.id) await parts.store.tokens.revoke(hash, now);
    return;
  }
  await parts.store.authorization.revokeRefreshToken(hash, client.id, now);
}

/** About another client's token it says what it says of no token: inactive. @throws invalid_client, invalid_request */
export async function introspectToken(
  request: TokenRequest,
  parts: HostParts,
): Promise<Record<string, unknown>> {
  const { client, by } = await authenticate(request, parts);
  // Naming oneself is no authorization (RFC 7662 section 2.1).
  if (by === 'nothing')
    throw tokenError('invalid_client', 'A public consumer cannot introspect tokens.');
  const token = request.parameters.get('token');
  if (token === undefined) throw tokenError('invalid_request', '"token" is missing.');
  const check = await parts.store.tokens.check(sha256(token));
  const decision = decideToken(check, parts.settings.platform.scopes, parts.settings.clock.now());
  if (!check || !('caller' in decision) || check.clientId !== client.id) return { active: false };
  const { caller } = decision;
  return {
    active: true,
    client_id: caller.clientId,
    scope: caller.scopes.join(' '),
    token_type: 'bearer',
    exp: Math.floor(check.expiresAt / 1000),
    iss: parts.settings.baseUrl,
    ...(caller.userId !== null && { sub: caller.userId }),
    ...(caller.context !== null && caller.context !== '' && { context: caller.context }),
    ...(caller.resources !== null && { resources: caller.resources }),
  };
}

async function authenticate(request: TokenRequest, parts: HostParts): Promise<AuthenticatedClient> {
  const { store, jwt, settings } = parts;
  return authenticateClient(
    readCredentials(request.authorization, request.parameters),
    { method: 'POST', url: request.url, now: settings.clock.now() },
    { store, jwt },
  );
}
