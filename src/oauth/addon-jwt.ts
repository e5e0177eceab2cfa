// A Connect JWT from an add-on: `iss` = its key or clientKey, `sub` = clientKey (Jira's: `aud[0]`), HS256
// with the shared secret, `qsh` of this very request.
import { toSeconds } from '../core/clock.ts';
import { acceptedHashes, peekClaims, verifyHs256 } from '../core/connect-jwt.ts';
import type { SecretBox } from '../core/secret-box.ts';
import { hmacKey } from '../core/secrets.ts';
import { openSecrets } from '../store/installation-secrets.ts';
import type { InstallationStore } from '../store/installation-store.ts';
import type { InstallationRow } from '../store/rows.ts';

export type VerifiedAddon =
  | {
      installation: InstallationRow;
      /** Signed with the secret of a handshake under way. */
      isCandidate: boolean;
    }
  | { reason: string };

export class AddonJwtVerifier {
  readonly #installations: InstallationStore;
  readonly #box: SecretBox;

  constructor(installations: InstallationStore, box: SecretBox) {
    this.#installations = installations;
    this.#box = box;
  }

  /** @param request.url path and query below the host's base URL. */
  async verify(
    token: string,
    request: { method: string; url: string; now: number },
  ): Promise<VerifiedAddon> {
    const claims = peekClaims(token);
    const clientKey = claims && namedClientKey(claims);
    const installation =
      clientKey === undefined ? undefined : await this.#installations.findByClientKey(clientKey);
    if (!claims || !installation)
      return { reason: 'The JWT names no installation: sub must be the clientKey.' };
    if (claims.iss !== installation.addonKey && claims.iss !== installation.clientKey) {
      return { reason: 'The iss of the JWT is neither the add-on key nor the clientKey.' };
    }
    // The host's own JWTs are from the clientKey, and name no subject: they must not be played back to it.
    if (claims.iss === installation.clientKey && claims.sub !== installation.clientKey) {
      return { reason: 'The JWT has no sub; it must be the clientKey.' };
    }
    const expected = {
      qsh: acceptedHashes(request.method, request.url),
      nowSeconds: toSeconds(request.now),
    };
    let reason = 'The installation shares no secret.';
    for (const { sealed, isCandidate } of usableSecrets(installation, request.now)) {
      const secret = openSecrets(this.#box, installation.id, sealed).shared;
      const result = verifyHs256(token, hmacKey(secret), expected);
      if ('claims' in result) return { installation, isCandidate };
      reason = result.reason;
      if (!result.isOfOtherKey) break;
    }
    return { reason };
  }
}

/** Which installation a JWT says it is about, unverified. */
export function namedClientKey(claims: Record<string, unknown>): string | undefined {
  const audience = Array.isArray(claims.aud) ? claims.aud[0] : claims.aud;
  return [claims.sub, audience, claims.iss].find(
    (value): value is string => typeof value === 'string',
  );
}

/**
 * The candidate counts too: whether its handshake is under way decides the grant behind it. What a rotation has
 * replaced counts until its time is over, deleted or not.
 */
function usableSecrets(
  installation: InstallationRow,
  now: number,
): { sealed: string; isCandidate: boolean }[] {
  const { state, acknowledgedSecrets, candidateSecrets, previousSecrets, previousSecretsUntil } =
    installation;
  const isInstalled = state === 'enabled' || state === 'disabled';
  return [
    ...(acknowledgedSecrets && isInstalled
      ? [{ sealed: acknowledgedSecrets, isCandidate: false }]
      : []),
    ...(previousSecrets && previousSecretsUntil! > now && isInstalled
      ? [{ sealed: previousSecrets, isCandidate: false }]
      : []),
    ...(candidateSecrets ? [{ sealed: candidateSecrets, isCandidate: true }] : []),
  ];
}
