// RFC 6749 section 6 with rotation (RFC 9700 section 4.14.2): each refresh token is good once; one that comes again
// ends its family, except the immediate predecessor within ten seconds from the same confidential client, which is
// what two requests at once look like.

import { toSeconds } from '../core/clock.ts';
import { MortiseError } from '../core/errors.ts';
import { randomSecret, sha256 } from '../core/secrets.ts';
import type { NewTokens } from '../store/oauth-rows.ts';
import type { ClientRow } from '../store/rows.ts';
import { ACCESS_TOKEN_PREFIX } from './access-token.ts';
import type { AuthenticatedClient } from './client-auth.ts';
import { tokenError } from './errors.ts';
import type { GrantParts, Issued } from './grant.ts';
import { narrowScopes } from './scope-parameter.ts';

export const REFRESH_TOKEN_PREFIX = 'mtr_';
/** Idle: a refresh token that nobody uses for this long is dead. */
const IDLE_MS = 90 * 24 * 3_600_000;
const GRACE_MS = 10_000;

/** @throws invalid_grant, invalid_scope, invalid_request */
export async function refreshTokenGrant(
  { client }: AuthenticatedClient,
  parameters: ReadonlyMap<string, string>,
  parts: GrantParts,
): Promise<Issued> {
  const given = parameters.get('refresh_token');
  if (!given) throw tokenError('invalid_request', '"refresh_token" is missing.');
  const { tokens, accessToken, refreshToken } = newTokens(parts);
  const rotated = await parts.store.authorization.rotate({
    ...tokens,
    tokenHash: sha256(given),
    clientId: client.id,
    hasGrace: !client.isPublic,
    graceMs: GRACE_MS,
    narrow(scopes, granted) {
      try {
        const covered = stillCovered(scopes, granted, client, parts);
        return { scopes: narrowScopes(parameters.get('scope'), covered, parts.platform.scopes) };
      } catch (error) {
        if (error instanceof MortiseError) return { reason: error.message, code: 'invalid_scope' };
        throw error;
      }
    },
  });
  switch (rotated.kind) {
    case 'rotated':
      return {
        token: accessToken,
        expiresInSeconds: toSeconds(rotated.accessExpiresAt - parts.now),
        scopes: rotated.scopes,
        refreshToken,
      };
    case 'raced':
      throw tokenError(
        'invalid_grant',
        'This refresh token was used a moment ago; use the one that came with that answer.',
      );
    case 'reused':
      throw tokenError(
        'invalid_grant',
        'This refresh token was used before, so all tokens of its family were revoked.',
      );
    case 'refused':
      throw tokenError(rotated.code ?? 'invalid_grant', rotated.reason);
  }
}

/** What a token says it has is what checks will find: the grant, and what the consumer may ask for, have the last word. */
export function stillCovered(
  scopes: string[],
  granted: string[],
  client: ClientRow,
  { platform }: GrantParts,
): string[] {
  const covered = platform.scopes.within(scopes, granted);
  return client.scopes === null ? covered : platform.scopes.within(covered, client.scopes);
}

/** A new pair: the tokens themselves, this once, and what is stored of them. */
export function newTokens({ platform, now }: GrantParts): {
  tokens: NewTokens;
  accessToken: string;
  refreshToken: string;
} {
  const accessToken = randomSecret(ACCESS_TOKEN_PREFIX);
  const refreshToken = randomSecret(REFRESH_TOKEN_PREFIX);
  return {
    accessToken,
    refreshToken,
    tokens: {
      accessTokenHash: sha256(accessToken),
      refreshTokenHash: sha256(refreshToken),
      createdAt: now,
      accessExpiresAt: now + platform.accessTokenSeconds * 1000,
      refreshExpiresAt: now + IDLE_MS,
    },
  };
}
