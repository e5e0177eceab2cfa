// RFC 6749 section 4.1.3: a code for tokens, once. One that comes again ends what was made from it.
import { toSeconds } from '../core/clock.ts';
import { newId } from '../core/ids.ts';
import { sha256 } from '../core/secrets.ts';
import type { AuthenticatedClient } from './client-auth.ts';
import { tokenError } from './errors.ts';
import type { GrantParts, Issued } from './grant.ts';
import { checkVerifier } from './pkce.ts';
import { newTokens, stillCovered } from './refresh-token.ts';

/** A code lives a minute: it is redeemed at once or not at all. */
export const CODE_LIFETIME_MS = 60_000;

/** @throws invalid_grant, invalid_request */
export async function authorizationCodeGrant(
  { client }: AuthenticatedClient,
  parameters: ReadonlyMap<string, string>,
  parts: GrantParts,
): Promise<Issued> {
  const code = parameters.get('code');
  if (!code) throw tokenError('invalid_request', '"code" is missing.');
  const { tokens, accessToken, refreshToken } = newTokens(parts);
  const familySeconds = parts.platform.refreshFamilySeconds;
  const redeemed = await parts.store.authorization.redeemCode({
    ...tokens,
    codeHash: sha256(code),
    clientId: client.id,
    familyId: newId(),
    familyExpiresAt: familySeconds === undefined ? null : parts.now + familySeconds * 1000,
    within: (scopes, granted) => stillCovered(scopes, granted, client, parts),
    check({ redirectUri, codeChallenge }) {
      // Exactly as in the authorization request, and left out if it was (section 4.1.3).
      if ((parameters.get('redirect_uri') ?? null) !== redirectUri) {
        return 'The redirect_uri is not the one the code was sent to.';
      }
      return checkVerifier(codeChallenge, parameters.get('code_verifier'));
    },
  });
  if (redeemed.kind === 'reused') {
    throw tokenError(
      'invalid_grant',
      'This authorization code was already used, so the tokens made from it were revoked.',
    );
  }
  if (redeemed.kind === 'refused') throw tokenError('invalid_grant', redeemed.reason);
  return {
    token: accessToken,
    expiresInSeconds: toSeconds(redeemed.accessExpiresAt - parts.now),
    scopes: redeemed.scopes,
    refreshToken,
  };
}
