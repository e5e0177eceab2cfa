import { expect } from 'chai';
import { median, percentile, playRounds, type Round, summarize } from '../../bench/rounds.ts';

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

  it('take for a percentile a value that was measured', () => {
    const hundred = Array.from({ length: 100 }, (_, i) => 100 - i);
    expect(percentile(hundred, 0.99)).to.equal(99);
    expect(percentile(hundred, 1)).to.equal(100);
    expect(percentile([7], 0.99)).to.equal(7);
    expect(() => percentile([], 0.99)).to.throw(RangeError);
  });
});

describe('the rounds of a benchmark', () => {
  const subject = (calls: string[], rounds: number) => ({
    bench: 'b',
    of: 'o',
    unit: 'u',
    rounds,
    measured: async () => calls.push('measured'),
    baseline: async () => calls.push('baseline'),
  });

  it('begin with the other side every time, after one that does not count', async () => {
    const calls: string[] = [];
    const heard: Round[] = [];
    const rounds = await playRounds(subject(calls, 2), Infinity, (round) => heard.push(round));
    expect(calls.join(' ')).to.equal('measured baseline measured baseline baseline measured');
    expect(rounds).to.deep.equal([
      { measured: 3, baseline: 4 },
      { measured: 6, baseline: 5 },
    ]);
    expect(heard).to.deep.equal(rounds);
  });

  it('are at least one, however late it is', async () => {
    const warmUp = async () => undefined;
    const late = { ...subject([], 9), warmUp };
    expect(await playRounds(late, -Infinity)).to.have.length(1);
  });
});
