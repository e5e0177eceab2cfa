// RFC 7523 section 2.1: an installation acts as a user, if its descriptor asked for a scope that means just that and an
// operator granted it. The assertion is HS256 with the shared secret, for this issuer alone, taken once.
import jwt from 'jsonwebtoken';
import { toSeconds } from '../core/clock.ts';
import { hasCriticalHeaders, peekClaims } from '../core/connect-jwt.ts';
import { newId } from '../core/ids.ts';
import { hmacKey, sha256 } from '../core/secrets.ts';
import type { GrantRow, InstallationRow } from '../store/rows.ts';
import { mintAccessToken } from './access-token.ts';
import { tokenError } from './errors.ts';
import type { GrantParts, Issued } from './grant.ts';
import { narrowScopes } from './scope-parameter.ts';

export interface ActAsUserParts extends GrantParts {
  issuer: string;
  /** With which an installation may sign now. */
  sharedSecrets: (installation: InstallationRow) => string[];
}

const CLIENT_PREFIX = 'urn:atlassian:connect:clientid:';
const USER_PREFIX = 'urn:atlassian:connect:useraccountid:';
/** Nobody needs an assertion for longer. */
const LONGEST_SECONDS = 300;
const LEEWAY_SECONDS = 30;

/** No client authentication besides the assertion; no refresh token. @throws invalid_grant, invalid_scope, invalid_request */
export async function jwtBearerGrant(
  parameters: ReadonlyMap<string, string>,
  parts: ActAsUserParts,
): Promise<Issued> {
  const { store, platform, now } = parts;
  const assertion = parameters.get('assertion');
  if (!assertion) throw tokenError('invalid_request', '"assertion" is missing.');
  const { installation, grant } = await findIssuer(assertion, parts);
  const claims = verify(assertion, installation, parts);
  const userId = claims.sub.startsWith(USER_PREFIX)
    ? claims.sub.slice(USER_PREFIX.length)
    : claims.sub;
  if (!actsAsUsers(grant, parts)) {
    throw tokenError('invalid_grant', 'The installation was not granted to act as users.');
  }
  if (await store.grants.isDeactivated(userId))
    throw tokenError('invalid_grant', 'The user is not active.');
  const jti = sha256(claims.jti ?? assertion);
  if (
    !(await store.authorization.takeAssertion(claims.iss, jti, now, claims.exp * 1000 + 60_000))
  ) {
    throw tokenError('invalid_grant', 'This assertion was used before.');
  }
  const scopes = narrowScopes(parameters.get('scope'), grant.scopes, platform.scopes);
  const userGrant = await store.grants.actAs(grant, userId, newId(), now);
  if (!userGrant) {
    throw tokenError(
      'invalid_grant',
      'The user is not active, or has taken back that the add-on acts for them.',
    );
  }
  return mintAccessToken(store.tokens, userGrant, scopes, { now, seconds: ACT_AS_USER_SECONDS });
}

const ACT_AS_USER_SECONDS = 900;

async function findIssuer(
  assertion: string,
  { store }: ActAsUserParts,
): Promise<{ installation: InstallationRow; grant: GrantRow }> {
  const issuer = String(peekClaims(assertion)?.iss ?? '');
  const clientId = issuer.startsWith(CLIENT_PREFIX) ? issuer.slice(CLIENT_PREFIX.length) : issuer;
  const client = await store.clients.find(clientId);
  const installation = client?.installationId
    ? await store.installations.find(client.installationId)
    : undefined;
  const grant = installation && (await store.installations.findGrant(installation.id));
  if (installation?.state !== 'enabled' || !grant) {
    throw tokenError('invalid_grant', 'The iss of the assertion is not an enabled installation.');
  }
  return { installation, grant };
}

interface AssertionClaims {
  iss: string;
  sub: string;
  exp: number;
  jti?: string;
}

function verify(
  assertion: string,
  installation: InstallationRow,
  parts: ActAsUserParts,
): AssertionClaims {
  if (hasCriticalHeaders(assertion)) {
    throw tokenError(
      'invalid_grant',
      'The assertion has critical headers that are not understood.',
    );
  }
  const nowSeconds = toSeconds(parts.now);
  const claims = claimsOf(assertion, parts.sharedSecrets(installation), nowSeconds);
  // A single string: a list could name this server beside an attacker's.
  if (claims.aud !== parts.issuer)
    throw tokenError('invalid_grant', `The aud of the assertion must be "${parts.issuer}".`);
  if (
    typeof claims.sub !== 'string' ||
    claims.sub === '' ||
    typeof claims.exp !== 'number' ||
    typeof claims.iss !== 'string'
  ) {
    throw tokenError('invalid_grant', 'The assertion needs iss, sub, aud and exp.');
  }
  const start = typeof claims.iat === 'number' ? claims.iat : nowSeconds;
  if (
    claims.exp - start > LONGEST_SECONDS ||
    claims.exp - nowSeconds > LONGEST_SECONDS + LEEWAY_SECONDS
  ) {
    throw tokenError('invalid_grant', `The assertion lives longer than ${LONGEST_SECONDS} s.`);
  }
  return claims as AssertionClaims;
}

/** Under the first of the secrets that signed it. @throws invalid_grant */
function claimsOf(assertion: string, secrets: string[], nowSeconds: number): jwt.JwtPayload {
  let why = 'the installation shares no secret';
  for (const secret of secrets) {
    try {
      return jwt.verify(assertion, hmacKey(secret), {
        algorithms: ['HS256'],
        clockTimestamp: nowSeconds,
        clockTolerance: LEEWAY_SECONDS,
      }) as jwt.JwtPayload;
    } catch (error) {
      why = (error as Error).message;
      if (why !== 'invalid signature') break;
    }
  }
  throw tokenError('invalid_grant', `The assertion is not valid: ${why}.`);
}

function actsAsUsers(grant: GrantRow, { platform }: GrantParts): boolean {
  return [...platform.scopes.closure(grant.scopes)].some(
    (name) => platform.scopes.all.get(name)?.actAsUser === true,
  );
}
