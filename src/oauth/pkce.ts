// Proof key for code exchange, S256 only (RFC 7636; `plain` protects nothing).
import { createHash, timingSafeEqual } from 'node:crypto';

/** RFC 7636 section 4.2: the challenge of S256 is 43 characters of base64url. */
export function isChallenge(text: string): boolean {
  return /^[A-Za-z0-9_-]{43}$/.test(text);
}

/** @returns a sentence if the verifier does not fit, or if there is one and no challenge was sent (RFC 9700 section 4.8.2). */
export function checkVerifier(
  challenge: string | null,
  verifier: string | undefined,
): string | undefined {
  if (challenge === null) {
    return verifier === undefined
      ? undefined
      : 'A code_verifier was sent, and no code_challenge before.';
  }
  if (verifier === undefined) return 'The code_verifier is missing.';
  if (!/^[A-Za-z0-9._~-]{43,128}$/.test(verifier))
    return 'The code_verifier does not have the form of RFC 7636.';
  const expected = Buffer.from(challenge);
  const given = Buffer.from(createHash('sha256').update(verifier).digest('base64url'));
  return timingSafeEqual(expected, given)
    ? undefined
    : 'The code_verifier does not fit the code_challenge.';
}
