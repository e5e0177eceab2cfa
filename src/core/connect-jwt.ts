// Atlassian Connect's JWT: the query string hash that binds a token to one request, and the two
// algorithms that sign it. Both sides use the rule: host → add-on and add-on → host.
import { createHash, type KeyObject } from 'node:crypto';
import jwt from 'jsonwebtoken';

export interface ConnectClaims {
  iss: string;
  iat: number;
  exp: number;
  qsh: string;
  sub?: string;
  aud?: string | string[];
  /** SHA-256 of the body, hex: a `qsh` alone does not bind it. */
  bodySha256?: string;
}

/** How long the host's own tokens live, in seconds; add-on clocks may be off by some of it. */
export const JWT_LIFETIME_SECONDS = 180;

/**
 * The canonical request that `qsh` hashes: `METHOD&path&query`.
 * @param url path with query, or an absolute URL.
 * @param baseUrl whose path is removed first, as a plain prefix, which is what atlassian-jwt does:
 *   both ends must come to the same hash. Our own URLs are always below their baseUrl.
 */
export function canonicalRequest(method: string, url: string, baseUrl?: string): string {
  const [rawPath = '', ...rest] = stripOrigin(url).split('?');
  const query = rest.join('?').replace(/#.*$/s, '');
  return [
    method.toUpperCase(),
    canonicalPath(rawPath.replace(/#.*$/s, ''), baseUrl === undefined ? '' : pathOf(baseUrl)),
    canonicalQuery(query),
  ].join('&');
}

/** `qsh`: lower-case hex SHA-256 of the canonical request. */
export function queryStringHash(method: string, url: string, baseUrl?: string): string {
  return createHash('sha256')
    .update(canonicalRequest(method, url, baseUrl))
    .digest('hex');
}

/**
 * The hashes a received request may have been signed with. atlassian-connect-express hashes a path as its author
 * wrote it (`/repositories/{uuid}`) and sends it percent-encoded, so the path decoded once counts as well; encoded
 * characters that would change what the path means stay as they are.
 */
export function acceptedHashes(method: string, url: string): string[] {
  const mark = url.indexOf('?');
  const path = mark < 0 ? url : url.slice(0, mark);
  const decoded = path.replace(/(?:%(?!2[F356]|3F)[0-9A-F]{2})+/gi, (encoded) => {
    try {
      return decodeURIComponent(encoded);
    } catch {
      return encoded;
    }
  });
  const hashes = [queryStringHash(method, url)];
  if (decoded !== path)
    hashes.push(queryStringHash(method, decoded.replaceAll('?', '%3F') + url.slice(path.length)));
  return hashes;
}

function stripOrigin(url: string): string {
  return url.replace(/^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i, '');
}

function pathOf(baseUrl: string): string {
  return stripOrigin(baseUrl)
    .replace(/[?#].*$/s, '')
    .replace(/(?<!\/)\/+$/, '');
}

function canonicalPath(path: string, basePath: string): string {
  const below = path.startsWith(basePath) ? path.slice(basePath.length) : path;
  const rooted = below.startsWith('/') ? below : `/${below}`;
  const trimmed = rooted.length > 1 && rooted.endsWith('/') ? rooted.slice(0, -1) : rooted;
  return trimmed.replaceAll('&', '%26');
}

function canonicalQuery(query: string): string {
  const parameters = new Map<string, string[]>();
  for (const part of query.split('&')) {
    if (part === '') continue;
    const equals = part.indexOf('=');
    const name = encode(decode(equals < 0 ? part : part.slice(0, equals)));
    if (name === 'jwt') continue;
    const value = encode(decode(equals < 0 ? '' : part.slice(equals + 1)));
    parameters.set(name, [...(parameters.get(name) ?? []), value]);
  }
  return [...parameters]
    .sort(([a], [b]) => byCodePoint(a, b))
    .map(([name, values]) => `${name}=${values.sort(byCodePoint).join(',')}`)
    .join('&');
}

function byCodePoint(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function decode(text: string): string {
  const spaced = text.replaceAll('+', ' ');
  try {
    return decodeURIComponent(spaced);
  } catch {
    return spaced;
  }
}

/** RFC 3986: everything but letters, digits and `-._~`. */
function encode(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

export function signHs256(claims: ConnectClaims, key: KeyObject): string {
  return jwt.sign(claims, key, { algorithm: 'HS256' });
}

export function signRs256(claims: ConnectClaims, key: KeyObject, kid: string): string {
  return jwt.sign(claims, key, { algorithm: 'RS256', keyid: kid });
}

/** Claims as they stand, unverified: only to find out whose secret must verify them. */
export function peekClaims(token: string): Record<string, unknown> | undefined {
  let decoded: ReturnType<typeof jwt.decode>;
  try {
    decoded = jwt.decode(token);
  } catch {
    return undefined;
  }
  return decoded !== null && typeof decoded === 'object' ? decoded : undefined;
}

/** RFC 7515 section 4.1.11: what is critical and not understood is refused; nothing is understood here. */
export function hasCriticalHeaders(token: string): boolean {
  try {
    return jwt.decode(token, { complete: true })?.header.crit !== undefined;
  } catch {
    return false;
  }
}

/** A verifier's leeway for clocks, in seconds. */
const LEEWAY_SECONDS = 30;
/** Nobody needs a longer request token; the longest seen in the wild is an hour. */
const LONGEST_SECONDS = 3_600;

/**
 * Verifies an HS256 token for one request. The algorithm is pinned; `exp` is required and capped.
 * @param expected.qsh the hashes that the request that carries the token may have.
 * @returns the claims, or a sentence saying why not, and whether another key might have verified it.
 */
export function verifyHs256(
  token: string,
  key: KeyObject,
  expected: { qsh: string[]; nowSeconds: number },
): { claims: ConnectClaims } | { reason: string; isOfOtherKey?: boolean } {
  let claims: ConnectClaims;
  try {
    if (hasCriticalHeaders(token)) {
      return { reason: 'The JWT has critical headers that are not understood.' };
    }
    claims = jwt.verify(token, key, {
      algorithms: ['HS256'],
      clockTolerance: LEEWAY_SECONDS,
      clockTimestamp: expected.nowSeconds,
    }) as unknown as ConnectClaims;
  } catch (error) {
    const { message } = error as Error;
    return {
      reason: `The JWT is not valid: ${message}.`,
      isOfOtherKey: message === 'invalid signature',
    };
  }
  if (typeof claims.exp !== 'number') return { reason: 'The JWT has no exp.' };
  const issuedAt = typeof claims.iat === 'number' ? claims.iat : expected.nowSeconds;
  if (
    claims.exp - issuedAt > LONGEST_SECONDS ||
    claims.exp - expected.nowSeconds > LONGEST_SECONDS
  ) {
    return { reason: 'The JWT lives longer than an hour.' };
  }
  if (!expected.qsh.includes(claims.qsh)) {
    return { reason: 'The qsh of the JWT does not match this request.' };
  }
  return { claims };
}
