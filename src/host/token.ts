// POST /oauth2/token: who asks → which grant type → mint. Each grant type is a file in oauth/.
import type { IssuedToken } from '../oauth/access-token.ts';
import { type AuthenticatedClient, authenticateClient } from '../oauth/client-auth.ts';
import { clientCredentialsGrant } from '../oauth/client-credentials.ts';
import { readCredentials } from '../oauth/credentials.ts';
import { tokenError } from '../oauth/errors.ts';
import type { HostParts } from './parts.ts';

export interface TokenRequest {
  authorization: string | undefined;
  parameters: ReadonlyMap<string, string>;
  /** Of this request, for the `qsh` of a JWT. */
  url: string;
}

type Grant = (
  client: AuthenticatedClient,
  parameters: ReadonlyMap<string, string>,
  parts: { store: HostParts['store']; platform: HostParts['settings']['platform']; now: number },
) => Promise<IssuedToken>;

export const GRANT_TYPES: Readonly<Record<string, Grant>> = {
  client_credentials: clientCredentialsGrant,
};

/** @throws the RFC 6749 section 5.2 errors */
export async function issueToken(request: TokenRequest, parts: HostParts): Promise<IssuedToken> {
  const { store, jwt, settings } = parts;
  const now = settings.clock.now();
  const grantType = request.parameters.get('grant_type');
  if (grantType === undefined) throw tokenError('invalid_request', '"grant_type" is missing.');
  const grant = Object.hasOwn(GRANT_TYPES, grantType) ? GRANT_TYPES[grantType] : undefined;
  if (!grant) {
    throw tokenError(
      'unsupported_grant_type',
      `"${grantType}" is not offered; offered: ${Object.keys(GRANT_TYPES).join(', ')}.`,
    );
  }
  const client = await authenticateClient(
    readCredentials(request.authorization, request.parameters),
    { method: 'POST', url: request.url, now },
    { store, jwt },
  );
  return grant(client, request.parameters, { store, platform: settings.platform, now });
}
