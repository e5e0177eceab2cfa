// HMAC-SHA1 (RFC 5849 section 3.4.2), and HMAC-SHA256 in the same way. PLAINTEXT would send the secrets themselves;
// RSA-SHA1 needs keys nobody registers.
import { createHmac } from 'node:crypto';
import { secretEquals } from '../../core/secrets.ts';
import { percentEncode } from './parameters.ts';

const HASHES = { 'HMAC-SHA1': 'sha1', 'HMAC-SHA256': 'sha256' } as const;

export type SignatureMethod = keyof typeof HASHES;

export const SIGNATURE_METHODS = Object.keys(HASHES);

export function isSignatureMethod(name: string): name is SignatureMethod {
  return Object.hasOwn(HASHES, name);
}

/** @param tokenSecret empty without a token; the "&" of the key stays. */
export function sign(
  method: SignatureMethod,
  text: string,
  consumerSecret: string,
  tokenSecret: string,
): string {
  const key = `${percentEncode(consumerSecret)}&${percentEncode(tokenSecret)}`;
  return createHmac(HASHES[method], key).update(text).digest('base64');
}

/** @param consumerSecrets the one in use, and the one before it while it is still good. */
export function holdsSignature(
  signed: { method: SignatureMethod; baseString: string; signature: string },
  consumerSecrets: string[],
  tokenSecret: string,
): boolean {
  const { method, baseString, signature } = signed;
  return consumerSecrets.some((secret) =>
    secretEquals(signature, sign(method, baseString, secret, tokenSecret)),
  );
}
