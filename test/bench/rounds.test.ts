import { expect } from 'chai';
import { median, summarize } from '../../bench/rounds.ts';

describe('the figures of the benchmarks', () => {
  it('take the middle value, or the mean of the two in the middle', () => {
    expect(median([9])).to.equal(9);
    expect(median([10, 1, 2])).to.equal(2);
    expect(median([4, 1, 3, 2])).to.equal(2.5);
    expect(() => median([])).to.throw(RangeError);
  });

  it('leave the list they are given as it is', () => {
    const values = [3, 1, 2];
    median(values);
    expect(values).to.deep.equal([3, 1, 2]);
  });

  it('are the median of the ratios of the rounds, with their spread', () => {
    const rounds = [
      { measured: 50, baseline: 100 },
      { measured: 8, baseline: 10 },
      { measured: 900, baseline: 1000 },
    ];
    expect(summarize(rounds)).to.deep.equal({ ratio: 0.8, min: 0.5, max: 0.9, rounds: 3 });
  });
});
