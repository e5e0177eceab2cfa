// RFC 6749 section 4.4: the client acts for itself: an installation under its own grant, a consumer for its owner. No
// refresh token (section 4.4.3).
import type { GrantRow } from '../store/rows.ts';
import { mintAccessToken } from './access-token.ts';
import type { AuthenticatedClient } from './client-auth.ts';
import { tokenError } from './errors.ts';
import type { GrantParts, Issued } from './grant.ts';
import { narrowScopes } from './scope-parameter.ts';

/** @throws unauthorized_client, invalid_grant, invalid_scope */
export async function clientCredentialsGrant(
  authenticated: AuthenticatedClient,
  parameters: ReadonlyMap<string, string>,
  parts: GrantParts,
): Promise<Issued> {
  if (authenticated.client.isPublic) {
    throw tokenError(
      'unauthorized_client',
      'A public consumer cannot act for itself: it has no secret.',
    );
  }
  const { store, platform, now } = parts;
  const grant = await ownGrant(authenticated, parts);
  const isUnlimited =
    authenticated.client.kind === 'consumer' && authenticated.client.scopes === null;
  const granted = isUnlimited ? [...platform.scopes.all.keys()] : grant.scopes;
  const scopes = narrowScopes(parameters.get('scope'), granted, platform.scopes);
  return mintAccessToken(store.tokens, grant, scopes, {
    now,
    seconds: platform.accessTokenSeconds,
  });
}

/** The grant under which a client acts for itself. @throws invalid_grant */
export async function ownGrant(
  { client, handshakeGrantId }: AuthenticatedClient,
  { store }: GrantParts,
): Promise<GrantRow> {
  const { installationId } = client;
  const grant =
    installationId === null
      ? await store.grants.findOwn(client.id)
      : handshakeGrantId === undefined
        ? await store.installations.findGrant(installationId)
        : await store.installations.findHandshakeGrant(handshakeGrantId);
  const installation =
    installationId === null ? undefined : await store.installations.find(installationId);
  if (!grant || (installation?.state === 'disabled' && handshakeGrantId === undefined)) {
    throw tokenError(
      'invalid_grant',
      installationId === null
        ? 'This consumer belongs to no place that it could act for.'
        : 'The installation is not enabled.',
    );
  }
  return grant;
}
