import { expect } from 'chai';
import { matchesHash, randomSecret, secretEquals, sha256 } from '../../src/core/secrets.ts';

describe('comparing secrets', () => {
  // timingSafeEqual throws where the lengths differ: seen red with the hashing taken out.
  it('is done over hashes: any two lengths can be compared, and only the same text is equal', () => {
    const secret = randomSecret();
    for (const [given, isSame] of [
      [secret, true],
      ['', false],
      [secret.slice(1), false],
      [`${secret}x`, false],
      [secret.toUpperCase(), false],
      [`${secret.slice(0, -1)}\u00e9`, false],
    ] as const) {
      expect(secretEquals(given, secret), given).to.equal(isSame);
      expect(matchesHash(given, sha256(secret)), given).to.equal(isSame);
    }
  });

  it('gives 256 bits to each new one', () => {
    const made = new Set(Array.from({ length: 1_000 }, () => randomSecret()));
    expect(made.size).to.equal(1_000);
    for (const secret of made)
      expect(Buffer.from(secret, 'base64url')).to.have.length.of.at.least(32);
  });
});
