// Which client a token request claims to be from, and how it proves it (RFC 6749 section 2.3.1).
import { peekClaims } from '../core/connect-jwt.ts';
import { namedClientKey } from './addon-jwt.ts';
import { tokenError } from './errors.ts';

export type PresentedCredentials =
  | { kind: 'secret'; clientId: string; clientSecret: string }
  /** A client without a secret names itself (RFC 6749 section 3.2.1). */
  | { kind: 'public'; clientId: string }
  /** A Connect JWT: `Authorization: JWT …`. */
  | { kind: 'jwt'; token: string };

/**
 * Basic, body or JWT. The same id and secret in both header and body are accepted, since
 * passport-bitbucket-oauth2 sends both; different ones are refused.
 * @throws invalid_client, invalid_request
 */
export function readCredentials(
  authorization: string | undefined,
  body: ReadonlyMap<string, string>,
): PresentedCredentials {
  const inBody = fromBody(body);
  const [, scheme, value] = /^(\S+) +(\S+)$/.exec(authorization ?? '') ?? [];
  if (authorization !== undefined && (scheme === undefined || value === undefined)) {
    throw tokenError('invalid_client', 'The Authorization header is not "Basic …" or "JWT …".');
  }
  if (scheme === 'JWT') {
    if (inBody)
      throw tokenError(
        'invalid_request',
        'Two ways of authenticating were used: a JWT and a client secret.',
      );
    return { kind: 'jwt', token: value! };
  }
  if (scheme?.toLowerCase() === 'basic') {
    const inHeader = fromBasic(value!);
    if (
      inBody &&
      (inBody.clientId !== inHeader.clientId ||
        (inBody.clientSecret ?? inHeader.clientSecret) !== inHeader.clientSecret)
    ) {
      throw tokenError(
        'invalid_request',
        'The Authorization header and the body name different credentials.',
      );
    }
    return { kind: 'secret', ...inHeader };
  }
  if (scheme !== undefined)
    throw tokenError(
      'invalid_client',
      `"${scheme}" is not a way to authenticate here; use Basic or JWT.`,
    );
  if (!inBody) {
    throw tokenError(
      'invalid_client',
      'No client credentials were sent; use Basic, or client_id and client_secret in the body.',
    );
  }
  if (inBody.clientSecret === undefined) return { kind: 'public', clientId: inBody.clientId };
  return { kind: 'secret', clientId: inBody.clientId, clientSecret: inBody.clientSecret };
}

/** Which client a request says it is from, whether or not it proves it; undefined if it names none. */
export function namedClient(
  authorization: string | undefined,
  body: ReadonlyMap<string, string>,
): string | undefined {
  let presented: PresentedCredentials;
  try {
    presented = readCredentials(authorization, body);
  } catch {
    return undefined;
  }
  if (presented.kind !== 'jwt') return presented.clientId;
  const claims = peekClaims(presented.token);
  return claims && namedClientKey(claims);
}

function fromBody(body: ReadonlyMap<string, string>) {
  const clientId = body.get('client_id');
  return clientId === undefined ? undefined : { clientId, clientSecret: body.get('client_secret') };
}

/** Both halves are form-encoded before they are joined (RFC 6749 section 2.3.1). */
function fromBasic(value: string): { clientId: string; clientSecret: string } {
  const pair = Buffer.from(value, 'base64').toString('utf8');
  const colon = pair.indexOf(':');
  if (colon < 0) throw tokenError('invalid_client', 'The Basic credentials have no colon.');
  return {
    clientId: formDecode(pair.slice(0, colon)),
    clientSecret: formDecode(pair.slice(colon + 1)),
  };
}

function formDecode(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    throw tokenError('invalid_client', 'The Basic credentials are not form-encoded.');
  }
}
