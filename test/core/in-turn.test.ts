// Seen red: with slow lines counted; with no bound on them; with two of one line at once.
import { expect } from 'chai';
import pino from 'pino';
import { systemClock } from '../../src/core/clock.ts';
import { InTurn } from '../../src/core/in-turn.ts';
import { until } from '../helpers/until.ts';

interface Item {
  line: string;
  id: number;
}

describe('what is done in turn', () => {
  let owed: Item[];
  let begun: string[];
  let letGo: (() => void)[];
  let turns: InTurn<Item>;

  beforeEach(() => {
    owed = [];
    begun = [];
    letGo = [];
    turns = new InTurn({
      name: 'things',
      clock: systemClock,
      log: pino({ level: 'silent' }),
      async due(_now, limit) {
        const lines = new Map<string, Item>();
        for (const item of owed) if (!lines.has(item.line)) lines.set(item.line, item);
        return [...lines.values()].slice(0, limit);
      },
      nextDueAt: async () => undefined,
      lineOf: ({ line }) => line,
      async work(item) {
        begun.push(`${item.line} ${item.id}`);
        if (item.line.startsWith('hung')) {
          await new Promise<void>((resolve) => {
            letGo.push(resolve);
          });
        }
        owed = owed.filter((other) => other !== item);
        return 0;
      },
    });
  });
  afterEach(async () => {
    owed = [];
    for (const go of letGo) go();
    await turns.stop();
  });

  const hung = (count: number) =>
    Array.from({ length: count }, (_, i) => ({ line: `hung ${i}`, id: 0 }));

  it('goes on beside lines that are slow', async () => {
    owed = [...hung(20), { line: 'well', id: 1 }, { line: 'well', id: 2 }];
    turns.start();
    await until(() => begun.includes('well 2'), 'the line that is well');
    expect(begun.indexOf('well 1')).to.be.below(begun.indexOf('well 2'));
  }).timeout(10_000);

  it('is one thing of a line at a time', async () => {
    owed = [
      { line: 'hung', id: 1 },
      { line: 'hung', id: 2 },
      { line: 'well', id: 1 },
    ];
    turns.start();
    await until(() => begun.includes('well 1'), 'the other line');
    await new Promise((resolve) => setTimeout(resolve, 1_300));
    expect(begun.filter((one) => one.startsWith('hung'))).to.deep.equal(['hung 1']);
  }).timeout(10_000);

  it('is never more than 64 lines at once, however slow they are', async () => {
    owed = hung(200);
    turns.start();
    await until(() => begun.length >= 64, 'as many as may be', 15_000);
    await new Promise((resolve) => setTimeout(resolve, 1_300));
    expect(begun).to.have.length(64);
  }).timeout(20_000);
});
