// POST /oauth2/token: who asks → which grant type → mint. Each grant type is a file in oauth/.
import { authorizationCodeGrant } from '../oauth/authorization-code.ts';
import { bitbucketJwtGrant } from '../oauth/bitbucket-jwt.ts';
import { type AuthenticatedClient, authenticateClient } from '../oauth/client-auth.ts';
import { clientCredentialsGrant } from '../oauth/client-credentials.ts';
import { readCredentials } from '../oauth/credentials.ts';
import { tokenError } from '../oauth/errors.ts';
import type { GrantParts, Issued } from '../oauth/grant.ts';
import { jwtBearerGrant } from '../oauth/jwt-bearer.ts';
import { refreshTokenGrant } from '../oauth/refresh-token.ts';
import { sharedSecretsInForce } from '../store/installation-secrets.ts';
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
  parts: GrantParts,
) => Promise<Issued>;

const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer';

const CLIENT_GRANTS: Readonly<Record<string, Grant>> = {
  authorization_code: authorizationCodeGrant,
  refresh_token: refreshTokenGrant,
  client_credentials: clientCredentialsGrant,
  'urn:bitbucket:oauth2:jwt': bitbucketJwtGrant,
};

export const GRANT_TYPES: readonly string[] = [...Object.keys(CLIENT_GRANTS), JWT_BEARER];

/** @throws the RFC 6749 section 5.2 errors */
export async function issueToken(request: TokenRequest, parts: HostParts): Promise<Issued> {
  const { store, jwt, settings } = parts;
  const now = settings.clock.now();
  const grantType = request.parameters.get('grant_type');
  if (grantType === undefined) throw tokenError('invalid_request', '"grant_type" is missing.');
  const grantParts = { store, platform: settings.platform, now };
  if (grantType === JWT_BEARER) {
    return jwtBearerGrant(request.parameters, {
      ...grantParts,
      issuer: settings.baseUrl,
      sharedSecrets: (installation) => sharedSecretsInForce(parts.box, installation, now),
    });
  }
  const grant = Object.hasOwn(CLIENT_GRANTS, grantType) ? CLIENT_GRANTS[grantType] : undefined;
  if (!grant) {
    throw tokenError(
      'unsupported_grant_type',
      `"${grantType}" is not offered; offered: ${GRANT_TYPES.join(', ')}.`,
    );
  }
  const client = await authenticateClient(
    readCredentials(request.authorization, request.parameters),
    { method: 'POST', url: request.url, now },
    { store, jwt },
  );
  return grant(client, request.parameters, grantParts);
}
