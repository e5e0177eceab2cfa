// A lifecycle call: installed, uninstalled, enabled, disabled. Signed with the host's own key, so that it can be
// believed before any secret is shared, and after one was lost.
import { createHash } from 'node:crypto';
import jwt from 'jsonwebtoken';
import { AddonError } from './errors.ts';
import type { HostKeys } from './host-keys.ts';
import { requestHash } from './qsh.ts';
import { bytesOf, headerOf, parseBody, type ReceivedRequest } from './request.ts';

export interface VerifyInstallOptions {
  /** Of the host the add-on trusts; from configuration. */
  keys: HostKeys;
  /** The add-on's own baseUrl, as its descriptor has it. */
  baseUrl: string;
}

export interface VerifiedCall {
  eventType: string;
  clientKey: string;
  /** The payload: with secrets in `installed`. Keep them; do not log them. */
  payload: Record<string, unknown>;
}

const CLOCK_SKEW_SECONDS = 30;

/** @throws AddonError if the call does not come from the host, for this add-on, with just this body */
export async function verifyInstall(
  request: ReceivedRequest,
  options: VerifyInstallOptions,
): Promise<VerifiedCall> {
  const body = bytesOf(request);
  const token = signedToken(request);
  const header = headerOfToken(token);
  if (header?.alg !== 'RS256' || typeof header.kid !== 'string') {
    throw new AddonError('signature_form', 'The install signature is not RS256 with a kid.');
  }
  const key = await options.keys.find(header.kid);
  let claims: jwt.JwtPayload;
  try {
    claims = jwt.verify(token, key, {
      algorithms: ['RS256'],
      audience: options.baseUrl,
      clockTolerance: CLOCK_SKEW_SECONDS,
    }) as jwt.JwtPayload;
  } catch (error) {
    throw new AddonError(
      'signature_wrong',
      `The install signature does not hold: ${(error as Error).message}.`,
    );
  }
  if (typeof claims.exp !== 'number')
    throw new AddonError('signature_wrong', 'The install signature never expires.');
  if (claims.qsh !== requestHash(request.method, request.url, options.baseUrl)) {
    throw new AddonError('signature_wrong', 'The install signature was made for another address.');
  }
  if (claims.bodySha256 !== createHash('sha256').update(body).digest('hex')) {
    throw new AddonError('signature_wrong', 'The install signature was made for another body.');
  }
  const payload = parseBody(body);
  if (typeof payload.clientKey !== 'string' || payload.clientKey !== claims.iss) {
    throw new AddonError(
      'signature_wrong',
      'The clientKey of the body is not the one that signed.',
    );
  }
  return { eventType: String(payload.eventType), clientKey: payload.clientKey, payload };
}

function headerOfToken(token: string): jwt.JwtHeader | undefined {
  try {
    return jwt.decode(token, { complete: true })?.header;
  } catch {
    return undefined;
  }
}

/** Every call has the RS256 form in its own header; signed installs have it in Authorization as well. */
function signedToken(request: ReceivedRequest): string {
  const own = headerOf(request, 'mortise-install-signature');
  const token = own ?? headerOf(request, 'authorization')?.replace(/^JWT /, '');
  if (token === undefined) throw new AddonError('signature_missing', 'The call is not signed.');
  return token;
}
