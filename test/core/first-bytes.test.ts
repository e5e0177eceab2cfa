import { expect } from 'chai';
import { FirstBytes } from '../../src/core/first-bytes.ts';

describe('the first bytes of a stream', () => {
  it('are those that came first, and no more than were asked for', () => {
    const first = new FirstBytes(5);
    expect(first.bytes).to.have.lengthOf(0);
    expect(first.add(Buffer.from('abc'))).to.equal(true);
    expect(first.add(Buffer.from('de'))).to.equal(true);
    expect(first.add(Buffer.from(''))).to.equal(true);
    expect(first.add(Buffer.from('f'))).to.equal(false);
    expect(first.bytes.toString()).to.equal('abcde');
  });

  it('are copied: what they were cut from may change and be forgotten', () => {
    const read = Buffer.from('abc');
    const first = new FirstBytes(100);
    first.add(read.subarray(0, 2));
    read.fill('x');
    expect(first.bytes.toString()).to.equal('ab');
  });

  it('of 60,000 chunks lie in one buffer that is no larger than the limit', () => {
    const first = new FirstBytes(65_536);
    for (let i = 0; i < 70_000; i++) first.add(Buffer.from('x'));
    expect(first.bytes).to.have.lengthOf(65_536);
    expect(first.bytes.buffer.byteLength).to.equal(65_536);
  });
});
