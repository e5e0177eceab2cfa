// Bitbucket's grant for Connect add-ons, urn:bitbucket:oauth2:jwt: the add-on's JWT stands for the installation. With
// bitbucket_repository the token is for these repositories alone, and for nothing of the workspace itself.
import { mintAccessToken } from './access-token.ts';
import type { AuthenticatedClient } from './client-auth.ts';
import { ownGrant } from './client-credentials.ts';
import { tokenError } from './errors.ts';
import type { GrantParts, Issued } from './grant.ts';
import { narrowScopes } from './scope-parameter.ts';

/** @throws invalid_client unless a JWT was sent, invalid_scope, invalid_grant */
export async function bitbucketJwtGrant(
  authenticated: AuthenticatedClient,
  parameters: ReadonlyMap<string, string>,
  parts: GrantParts,
): Promise<Issued> {
  if (authenticated.by !== 'jwt') {
    throw tokenError(
      'invalid_client',
      'This grant type is authenticated by "Authorization: JWT …" alone.',
    );
  }
  const { store, platform, now } = parts;
  const grant = await ownGrant(authenticated, parts);
  const scopes = narrowScopes(parameters.get('scope'), grant.scopes, platform.scopes);
  const resources = chosenResources(parameters.get('bitbucket_repository'), grant.resources);
  return mintAccessToken(store.tokens, { ...grant, resources }, scopes, {
    now,
    seconds: platform.accessTokenSeconds,
  });
}

/** By the product's own names, separated by commas. */
function chosenResources(parameter: string | undefined, granted: string[] | null): string[] | null {
  if (parameter === undefined || parameter === '') return granted;
  const chosen = parameter
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
  const refused = granted === null ? undefined : chosen.find((name) => !granted.includes(name));
  if (refused !== undefined)
    throw tokenError('invalid_scope', `The installation does not cover "${refused}".`);
  return chosen;
}
