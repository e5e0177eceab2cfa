import { expect } from 'chai';
import { blackened } from '../../src/core/seen-answer.ts';

describe('what is shown of an answer', () => {
  const secret = 's3cr3t-of-the-add-on';

  it('has no secret in it, whole or cut off at the end', () => {
    expect(blackened(`a ${secret} b`, [secret], false)).to.equal('a … b');
    for (let cut = 1; cut < secret.length; cut++) {
      const text = `${`${secret} `.repeat(20)}${secret.slice(0, cut)}`;
      expect(blackened(text, [secret], true)).not.to.contain(secret.slice(0, 3));
    }
  });

  it('is all there where nothing is cut', () => {
    expect(blackened('fine', [secret], false)).to.equal('fine');
  });
});
