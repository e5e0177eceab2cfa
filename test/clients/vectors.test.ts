import { generateKeyPairSync } from 'node:crypto';
import {
  AsymmetricAlgorithm,
  decodeAsymmetric,
  decodeSymmetric,
  getKeyId,
  SymmetricAlgorithm,
} from 'atlassian-jwt';
import { expect } from 'chai';
import { verifyWebhook } from '../../src/addon/index.ts';
import {
  type ConnectClaims,
  signHs256,
  signRs256,
  verifyHs256,
} from '../../src/core/connect-jwt.ts';
import { hmacKey } from '../../src/core/secrets.ts';
import { hubSignature, standardSignature } from '../../src/webhooks/sign.ts';
import { readFixture } from '../helpers/fixture.ts';

interface JwtVector {
  alg: 'HS256' | 'RS256';
  claims: ConnectClaims;
  key: string;
  publicKey: string;
  jwt: string;
}

interface WebhookVector {
  kind: 'v1' | 'v1a' | 'x-hub-signature';
  secret: string;
  publicKey: string;
  id: string;
  timestamp: number;
  body: string;
  signature: string;
}

describe('a Connect JWT', () => {
  const vectors: JwtVector[] = readFixture('qsh-vectors.json').jwt;
  const { HS256 } = SymmetricAlgorithm;

  for (const { alg, claims, key, publicKey, jwt } of vectors) {
    const name = `${alg} with ${Object.keys(claims).join(', ')}, qsh ${claims.qsh.slice(0, 8)}`;
    const expected = { qsh: [claims.qsh], nowSeconds: claims.iat + 1 };

    if (alg === 'HS256') {
      it(`made by atlassian-jwt verifies: ${name}`, () => {
        expect(verifyHs256(jwt, hmacKey(key), expected)).to.deep.equal({ claims });
      });

      it(`made here verifies with atlassian-jwt: ${name}`, () => {
        expect(decodeSymmetric(signHs256(claims, hmacKey(key)), key, HS256)).to.deep.equal(claims);
      });

      const wrong: [what: string, key: string, expected: Parameters<typeof verifyHs256>[2]][] = [
        ['another secret', `${key}x`, expected],
        ['another request', key, { ...expected, qsh: ['0'.repeat(64)] }],
        ['a minute after its end', key, { ...expected, nowSeconds: claims.exp + 60 }],
      ];
      for (const [what, wrongKey, wrongly] of wrong) {
        it(`does not verify with ${what}: ${name}`, () => {
          expect(verifyHs256(jwt, hmacKey(wrongKey), wrongly)).to.have.property('reason');
        });
      }
    } else {
      it(`does not verify where HS256 is expected, the public key taken for the secret: ${name}`, () => {
        expect(verifyHs256(jwt, hmacKey(publicKey), expected)).to.have.property('reason');
      });

      it(`made here verifies with atlassian-jwt: ${name}`, () => {
        const pair = generateKeyPairSync('rsa', { modulusLength: 2048 });
        const pem = pair.publicKey.export({ type: 'spki', format: 'pem' }) as string;
        const token = signRs256(claims, pair.privateKey, 'kid-1');
        expect(decodeAsymmetric(token, pem, AsymmetricAlgorithm.RS256)).to.deep.equal(claims);
        expect(getKeyId(token)).to.equal('kid-1');
        expect(() => decodeAsymmetric(token, publicKey, AsymmetricAlgorithm.RS256)).to.throw();
      });
    }
  }

  it('without a signature does not verify', () => {
    const { claims, key } = vectors[0]!;
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const unsigned = `${part({ typ: 'JWT', alg: 'none' })}.${part(claims)}.`;
    const expected = { qsh: [claims.qsh], nowSeconds: claims.iat + 1 };
    expect(verifyHs256(unsigned, hmacKey(key), expected)).to.have.property('reason');
  });
});

describe('a webhook signature', () => {
  const vectors: WebhookVector[] = readFixture('webhook-vectors.json');

  for (const { kind, secret, publicKey, id, timestamp, body, signature } of vectors) {
    const name = `${kind} ${id ?? ''} ${JSON.stringify(body)}`;
    const received = (signed: string, bytes = body) => ({
      method: 'POST',
      url: '/hook',
      headers: {
        'webhook-id': id,
        'webhook-timestamp': String(timestamp),
        'webhook-signature': signed,
      },
      rawBody: Buffer.from(bytes),
    });

    if (kind === 'v1') {
      it(`is the known one: ${name}`, () => {
        const signed = { deliveryId: id, body: Buffer.from(body) };
        expect(standardSignature(signed, timestamp, secret)).to.equal(signature);
      });
    }
    if (kind === 'v1a') {
      const options = {
        installation: { clientKey: 'c', webhookPublicKey: publicKey },
        baseUrl: 'https://addon.example',
        now: timestamp * 1000,
      };
      it(`holds for mortise/addon: ${name}`, () => {
        const { id: verified, signatures } = verifyWebhook(received(signature), options);
        expect(verified).to.equal(id);
        expect(signatures).to.deep.equal(['standard']);
      });
      it(`does not hold for mortise/addon over another body: ${name}`, () => {
        expect(() => verifyWebhook(received(signature, '{"a":2}'), options)).to.throw(/hold/);
      });
    }
    if (kind === 'x-hub-signature') {
      it(`is the known one: ${name}`, () => {
        expect(hubSignature(Buffer.from(body), secret)).to.equal(signature);
      });
    }
  }
});
