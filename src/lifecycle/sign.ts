// Signs one lifecycle call: HS256 with a shared secret, RS256 with the host's install key.
import { createHash } from 'node:crypto';
import { toSeconds } from '../core/clock.ts';
import {
  type ConnectClaims,
  JWT_LIFETIME_SECONDS,
  queryStringHash,
  signHs256,
  signRs256,
} from '../core/connect-jwt.ts';
import { hmacKey } from '../core/secrets.ts';
import type { InstallKey } from './install-key.ts';

export interface CallToSign {
  url: string;
  /** The add-on's baseUrl, character for character: the audience of the RS256 form. */
  addonBaseUrl: string;
  body: Buffer;
  clientKey: string;
  now: number;
}

/**
 * @param secret for the HS256 form; undefined signs Authorization with the install key (signed install).
 * @returns the two headers of every lifecycle call.
 */
export function signCall(
  call: CallToSign,
  key: InstallKey,
  secret: string | undefined,
): Record<string, string> {
  const iat = toSeconds(call.now);
  const claims: ConnectClaims = {
    iss: call.clientKey,
    iat,
    exp: iat + JWT_LIFETIME_SECONDS,
    qsh: queryStringHash('POST', call.url, call.addonBaseUrl),
    bodySha256: createHash('sha256').update(call.body).digest('hex'),
  };
  const signed = signRs256({ ...claims, aud: [call.addonBaseUrl] }, key.privateKey, key.kid);
  const shared = secret && signHs256({ ...claims, aud: [call.clientKey] }, hmacKey(secret));
  return { authorization: `JWT ${shared ?? signed}`, 'mortise-install-signature': signed };
}
