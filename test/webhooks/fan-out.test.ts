// Seen red: without the turn of the event loop between two passes.
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect } from 'chai';
import { FanOut, type FanOutParts } from '../../src/webhooks/fan-out.ts';

describe('the fan-out of many events', () => {
  it('lets others in between two passes, also where a pass waits for nothing', async () => {
    let passes = 0;
    let wasWokenUp = 0;
    const parts = {
      store: { events: { fanOut: async () => ({ owed: [], events: ++passes < 50 ? 256 : 0 }) } },
      attempts: { tellsOne() {} },
      share: { isHeld: () => true },
      clock: { now: () => 1 },
      loop: { isOpen: true, begin() {}, end() {}, goRound() {}, wakeAt() {} },
      lanes: { beginPass() {}, endPass() {} },
      recorder: { isFailing: false },
    } as unknown as FanOutParts;
    new FanOut(parts).wake();
    while (passes < 50 && wasWokenUp < 1_000) {
      await nextTurn();
      wasWokenUp++;
    }
    expect(passes).to.equal(50);
    expect(wasWokenUp).to.be.at.least(48);
  });
});
