import { expect } from 'chai';
import { requestHash } from '../../src/addon/qsh.ts';
import { readFixture } from '../helpers/fixture.ts';

describe("the add-on's qsh", () => {
  const { qsh } = readFixture('qsh-vectors.json');
  for (const { name, method, url, baseUrl, qsh: hash } of qsh) {
    it(`agrees with atlassian-jwt: ${name}`, () => {
      // A receiver sees path and query only.
      const received = url.replace(/^https?:\/\/[^/?]*/, '');
      expect(requestHash(method, received, baseUrl ?? 'https://addon.example')).to.equal(hash);
    });
  }
});
