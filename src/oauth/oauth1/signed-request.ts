// Reads a signed request (RFC 5849 sections 3.1 and 3.5): its protocol parameters, from one place and each once, and
// the text its signature is over. Nothing is proven yet.
import { baseString } from './base-string.ts';
import { malformed, unproven } from './errors.ts';
import { type Parameter, parseForm, parseHeader } from './parameters.ts';
import { isSignatureMethod, SIGNATURE_METHODS, type SignatureMethod } from './signature.ts';

export interface ReceivedRequest {
  authorization: string | undefined;
  method: string;
  /** Path and query as received. */
  url: string;
  /** The body, if it is application/x-www-form-urlencoded; bodies of other types are not signed. */
  form: string | undefined;
}

export interface SignedRequest {
  consumerKey: string;
  /** Empty for a call without a token. */
  token: string;
  /** Seconds since 1970. */
  timestamp: number;
  nonce: string;
  callback: string | undefined;
  verifier: string | undefined;
  method: SignatureMethod;
  baseString: string;
  signature: string;
}

/** How far a client's clock may be off, in either direction. */
export const TIMESTAMP_WINDOW_SECONDS = 300;
const LONGEST_NONCE = 255;

/** Whether it means to be signed with OAuth 1.0a, by its header or, without one, its query. */
export function isSigned(request: Pick<ReceivedRequest, 'authorization' | 'url'>): boolean {
  const { authorization, url } = request;
  if (authorization !== undefined) return /^OAuth(?:\s|$)/i.test(authorization);
  return /[?&]oauth_signature=/.test(url);
}

/**
 * @param baseUrl the configured origin: what a request says of its own host is worth nothing.
 * @throws the malformed codes, timestamp_refused
 */
export function readSignedRequest(
  request: ReceivedRequest,
  baseUrl: string,
  nowSeconds: number,
): SignedRequest {
  // A request target may be absolute (RFC 9112 section 3.2.2).
  const target = request.url.replace(/^https?:\/\/[^/?#]*/i, '');
  const question = target.indexOf('?');
  const places = [
    parseHeader(request.authorization) ?? [],
    parseForm(question < 0 ? '' : target.slice(question + 1)),
    parseForm(request.form ?? ''),
  ];
  const protocol = protocolParameters(places);
  const required = (name: string): string => {
    const value = protocol.get(name);
    if (value) return value;
    throw malformed('parameter_absent', `"${name}" is missing.`);
  };
  const version = protocol.get('oauth_version');
  if (version !== undefined && version !== '1.0')
    throw malformed('version_rejected', 'The only oauth_version is "1.0".');
  const method = required('oauth_signature_method');
  if (!isSignatureMethod(method)) {
    throw malformed(
      'signature_method_rejected',
      `The oauth_signature_method must be one of ${SIGNATURE_METHODS.join(', ')}.`,
    );
  }
  const nonce = required('oauth_nonce');
  if (nonce.length > LONGEST_NONCE)
    throw malformed(
      'parameter_rejected',
      `"oauth_nonce" has more than ${LONGEST_NONCE} characters.`,
    );
  return {
    consumerKey: required('oauth_consumer_key'),
    token: protocol.get('oauth_token') ?? '',
    timestamp: readTimestamp(required('oauth_timestamp'), nowSeconds),
    nonce,
    callback: protocol.get('oauth_callback'),
    verifier: protocol.get('oauth_verifier'),
    method,
    baseString: baseString(request.method, baseUrl + target, places.flat()),
    signature: required('oauth_signature'),
  };
}

/** Section 3.5: in one place only, none of them twice. */
function protocolParameters(places: Parameter[][]): ReadonlyMap<string, string> {
  const found = places
    .map((parameters) => parameters.filter(([name]) => name.startsWith('oauth_')))
    .filter((parameters) => parameters.length > 0);
  if (found.length > 1) {
    throw malformed(
      'parameter_rejected',
      'OAuth parameters are sent in more than one place.',
      'Send all of them in the Authorization header, or all in the query, or all in the form.',
    );
  }
  const protocol = new Map<string, string>();
  for (const [name, value] of found[0] ?? []) {
    if (protocol.has(name)) throw malformed('parameter_repeated', `"${name}" is sent twice.`);
    protocol.set(name, value);
  }
  return protocol;
}

/** Not "never lower than the last one" (section 3.3 does not ask it): clients with two requests under way would fail. */
function readTimestamp(text: string, nowSeconds: number): number {
  if (!/^[1-9]\d{0,14}$/.test(text))
    throw malformed('parameter_rejected', '"oauth_timestamp" must be a positive whole number.');
  const timestamp = Number(text);
  const offSeconds = timestamp - nowSeconds;
  if (Math.abs(offSeconds) > TIMESTAMP_WINDOW_SECONDS) {
    throw unproven(
      'timestamp_refused',
      `"oauth_timestamp" is ${Math.abs(offSeconds)} s ${offSeconds < 0 ? 'behind' : 'ahead of'} this host's clock; ${TIMESTAMP_WINDOW_SECONDS} s are allowed.`,
      'Set the clock, and sign every request anew.',
    );
  }
  return timestamp;
}
