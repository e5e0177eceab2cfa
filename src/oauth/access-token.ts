// Access tokens: opaque, 256 random bits, stored as SHA-256. Everything a check needs is read as it is
// now, so that revocation needs no invalidation.
import { randomSecret, sha256 } from '../core/secrets.ts';
import type { Scopes } from '../platform/scopes.ts';
import type { TokenStore } from '../store/oauth-store.ts';
import type { CallingInstallation, GrantRow, TokenCheck } from '../store/rows.ts';

export const ACCESS_TOKEN_PREFIX = 'mta_';

export interface IssuedToken {
  token: string;
  expiresInSeconds: number;
  scopes: string[];
}

/** @returns the token itself, this once. */
export async function mintAccessToken(
  tokens: TokenStore,
  grant: Pick<GrantRow, 'id' | 'clientId' | 'resources'>,
  scopes: string[],
  lifetime: { now: number; seconds: number },
): Promise<IssuedToken> {
  const token = randomSecret(ACCESS_TOKEN_PREFIX);
  await tokens.mint({
    tokenHash: sha256(token),
    grantId: grant.id,
    clientId: grant.clientId,
    scopes,
    resources: grant.resources,
    createdAt: lifetime.now,
    expiresAt: lifetime.now + lifetime.seconds * 1000,
  });
  return { token, expiresInSeconds: lifetime.seconds, scopes };
}

/** Who is calling, and what they may do. */
export interface Caller {
  clientId: string;
  grantId: string;
  /** As granted; what they imply is found by Scopes.closure. */
  scopes: string[];
  /** null = all of the context. */
  resources: string[] | null;
  /** The context it is for; null for a user's grant: the product knows where its users may go. */
  context: string | null;
  installation: CallingInstallation | null;
  userId: string | null;
}

/** Decides on a token that was found, or not. @returns the caller, or a sentence saying why not. */
export function decideToken(
  check: TokenCheck | undefined,
  scopes: Scopes,
  now: number,
): { caller: Caller } | { reason: string } {
  if (!check) return { reason: 'The access token is unknown.' };
  if (check.revokedAt !== null) return { reason: 'The access token was revoked.' };
  if (check.expiresAt <= now) return { reason: 'The access token has expired; fetch a new one.' };
  const live = decideGrant(check.grant, check.installation, now);
  if (live !== undefined) return { reason: live };
  return {
    caller: {
      clientId: check.clientId,
      grantId: check.grant.id,
      scopes: effectiveScopes(check, scopes),
      resources: intersect(check.resources, check.grant.resources),
      context: check.grant.context,
      installation: check.installation,
      userId: check.grant.userId,
    },
  };
}

/** What the token was made for, as far as the grant and the consumer's own registration still cover it. */
function effectiveScopes(check: TokenCheck, scopes: Scopes): string[] {
  const { grant, clientScopes } = check;
  // Registered before scopes existed: it acts for its owner with all there are.
  const granted =
    grant.kind === 'consumer' && clientScopes === null ? [...scopes.all.keys()] : grant.scopes;
  const covered = scopes.within(check.scopes, granted);
  return clientScopes === null ? covered : scopes.within(covered, clientScopes);
}

/** @returns why the grant carries nothing now, or undefined if it does. */
export function decideGrant(
  grant: Pick<TokenCheck['grant'], 'until' | 'handshakeDeadline'>,
  installation: Pick<CallingInstallation, 'state'> | null,
  now: number,
): string | undefined {
  if (grant.until !== null) return 'What the access token was granted under has ended.';
  if (grant.handshakeDeadline !== null) {
    return grant.handshakeDeadline > now ? undefined : 'The installation was never completed.';
  }
  if (installation && installation.state !== 'enabled') {
    return `The installation is ${installation.state}.`;
  }
  return undefined;
}

function intersect(a: string[] | null, b: string[] | null): string[] | null {
  if (a === null) return b;
  if (b === null) return a;
  return a.filter((resource) => b.includes(resource));
}
