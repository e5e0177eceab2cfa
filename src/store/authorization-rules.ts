// Whether a code or a refresh token gives anything, as every store decides it: on what it has read inside its
// transaction, where nobody else can use the same one.
import type { CodeRedemption, NewTokens, Redeemed, Rotated, Rotation } from './oauth-rows.ts';
import type { GrantRow } from './rows.ts';

/** As it is stored; scopes are JSON. */
export interface StoredCode {
  grantId: string;
  clientId: string;
  redirectUri: string | null;
  codeChallenge: string | null;
  scopes: string;
  expiresAt: number;
  usedAt: number | null;
  /** What was made from it. */
  familyId: string | null;
}

/** As it is stored, with its family; scopes are JSON. */
export interface StoredRefreshToken {
  familyId: string;
  generation: number;
  scopes: string;
  expiresAt: number;
  usedAt: number | null;
  grantId: string;
  clientId: string;
  familyGeneration: number;
  familyExpiresAt: number | null;
  revokedAt: number | null;
}

/** What is minted now, within which family and under which grant. */
export interface Minting {
  kind: 'mint';
  grant: GrantRow;
  family: {
    id: string;
    grantId: string;
    clientId: string;
    generation: number;
    expiresAt: number | null;
  };
  scopes: { access: string[]; refresh: string[] };
  /** No access token outlives its family. */
  accessExpiresAt: number;
}

/** @param grant that the code is for, in force or not */
export function judgeCode(
  code: StoredCode | undefined,
  grant: GrantRow | undefined,
  redemption: CodeRedemption,
): Minting | Exclude<Redeemed, { kind: 'redeemed' }> {
  // Another client's code is not burned for its owner.
  if (!code || code.clientId !== redemption.clientId)
    return refused('The authorization code is unknown.');
  if (code.usedAt !== null) return { kind: 'reused' };
  if (code.expiresAt <= redemption.createdAt) return refused('The authorization code has expired.');
  const reason = redemption.check(code);
  if (reason !== undefined) return refused(reason);
  if (!grant || grant.until !== null)
    return refused('What the authorization code was granted under has ended.');
  const scopes = redemption.within(JSON.parse(code.scopes), grant.scopes);
  return {
    kind: 'mint',
    grant,
    family: {
      id: redemption.familyId,
      grantId: grant.id,
      clientId: code.clientId,
      generation: 1,
      expiresAt: redemption.familyExpiresAt,
    },
    scopes: { access: scopes, refresh: scopes },
    accessExpiresAt: accessEnd(redemption, redemption.familyExpiresAt),
  };
}

/** @param grant of the token's family, in force or not */
export function judgeRefreshToken(
  token: StoredRefreshToken | undefined,
  grant: GrantRow | undefined,
  rotation: Rotation,
): Minting | Exclude<Rotated, { kind: 'rotated' }> {
  if (!token || token.clientId !== rotation.clientId)
    return refused('The refresh token is unknown.');
  const now = rotation.createdAt;
  if (token.revokedAt !== null) return refused('The refresh token was revoked.');
  if (token.usedAt !== null) {
    const isPredecessor = token.generation === token.familyGeneration - 1;
    const isSoon = rotation.hasGrace && now - token.usedAt <= rotation.graceMs;
    return { kind: isPredecessor && isSoon ? 'raced' : 'reused' };
  }
  if (token.expiresAt <= now) return refused('The refresh token has expired.');
  if (token.familyExpiresAt !== null && token.familyExpiresAt <= now)
    return refused('The time to refresh what was granted is over.');
  if (!grant || grant.until !== null)
    return refused('What the refresh token was granted under has ended.');
  const scopes: string[] = JSON.parse(token.scopes);
  const narrowed = rotation.narrow(scopes, grant.scopes);
  if ('reason' in narrowed) return { kind: 'refused', ...narrowed };
  return {
    kind: 'mint',
    grant,
    family: {
      id: token.familyId,
      grantId: grant.id,
      clientId: token.clientId,
      generation: token.generation + 1,
      expiresAt: token.familyExpiresAt,
    },
    // Narrowing is for this access token; the family keeps what it has.
    scopes: { access: narrowed.scopes, refresh: scopes },
    accessExpiresAt: accessEnd(rotation, token.familyExpiresAt),
  };
}

function refused(reason: string): { kind: 'refused'; reason: string } {
  return { kind: 'refused', reason };
}

function accessEnd({ accessExpiresAt }: NewTokens, familyExpiresAt: number | null): number {
  return Math.min(accessExpiresAt, familyExpiresAt ?? Number.POSITIVE_INFINITY);
}
