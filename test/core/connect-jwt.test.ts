import { expect } from 'chai';
import { canonicalRequest, queryStringHash } from '../../src/core/connect-jwt.ts';
import { readFixture } from '../helpers/fixture.ts';

describe('qsh', () => {
  const { qsh } = readFixture('qsh-vectors.json');
  for (const v of qsh) {
    it(`agrees with atlassian-jwt: ${v.name}`, () => {
      expect(canonicalRequest(v.method, v.url, v.baseUrl ?? undefined)).to.equal(v.canonical);
      expect(queryStringHash(v.method, v.url, v.baseUrl ?? undefined)).to.equal(v.qsh);
    });
  }
});
