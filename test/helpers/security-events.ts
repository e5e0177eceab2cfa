// The receiving end of security events: verifies a token as its receiver would, with the host's public keys.
import { createPublicKey } from 'node:crypto';
import { expect } from 'chai';
import jwt from 'jsonwebtoken';
import type { ReceivedCall } from './fake-addon.ts';

export const TOKENS_REVOKED = 'https://schemas.openid.net/secevent/oauth/event-type/tokens-revoked';
export const TOKEN_CLAIMS_CHANGE =
  'https://schemas.openid.net/secevent/caep/event-type/token-claims-change';

export async function verifiedSet(
  call: ReceivedCall,
  issuer: string,
  audience: string,
  // biome-ignore lint/suspicious/noExplicitAny: claims of many shapes
): Promise<any> {
  expect(call.method).to.equal('POST');
  expect(call.headers).to.include({
    'content-type': 'application/secevent+jwt',
    accept: 'application/json',
  });
  const token = call.body.toString();
  const { header } = jwt.decode(token, { complete: true })!;
  expect(header).to.include({ alg: 'RS256', typ: 'secevent+jwt' });
  const { keys } = (await (await fetch(`${issuer}/.well-known/jwks.json`)).json()) as {
    keys: { kid: string }[];
  };
  const key = createPublicKey({
    key: keys.find(({ kid }) => kid === header.kid)!,
    format: 'jwk',
  });
  return jwt.verify(token, key, { algorithms: ['RS256'], issuer, audience });
}
