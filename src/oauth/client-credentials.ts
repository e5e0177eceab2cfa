// RFC 6749 section 4.4: the client acts for itself, here an installation under its own grant. No refresh
// token (section 4.4.3).
import type { Platform } from '../platform/platform.ts';
import type { Store } from '../store/store.ts';
import { type IssuedToken, mintAccessToken } from './access-token.ts';
import type { AuthenticatedClient } from './client-auth.ts';
import { tokenError } from './errors.ts';
import { narrowScopes } from './scope-parameter.ts';

/** @throws invalid_grant, invalid_scope */
export async function clientCredentialsGrant(
  { client, handshakeGrantId }: AuthenticatedClient,
  parameters: ReadonlyMap<string, string>,
  parts: { store: Store; platform: Platform; now: number },
): Promise<IssuedToken> {
  const { store, platform, now } = parts;
  const grant =
    handshakeGrantId === undefined
      ? await store.installations.findGrant(client.installationId)
      : await store.installations.findHandshakeGrant(handshakeGrantId);
  const installation = await store.installations.find(client.installationId);
  if (!grant || (installation?.state === 'disabled' && handshakeGrantId === undefined)) {
    throw tokenError('invalid_grant', 'The installation is not enabled.');
  }
  const scopes = narrowScopes(parameters.get('scope'), grant.scopes, platform.scopes);
  return mintAccessToken(store.tokens, grant, scopes, {
    now,
    seconds: platform.accessTokenSeconds,
  });
}
