// Fault 14: the wall clock jumps an hour. Time is the host's injected clock; sockets and timers go on in real time.
import { expect } from 'chai';
import { until } from '../helpers/until.ts';
import { Rig, sleep } from './rig.ts';

const HOUR = 3_600_000;

describe('a clock that jumps', function () {
  this.timeout(60_000);
  let rig: Rig;
  let offset = 0;

  beforeEach(async () => {
    offset = 0;
    // Every first retry after some 5 s: long enough to see what does not come before.
    rig = await Rig.open({ jitter: 0.45, setsClock: true });
    await rig.start();
    await rig.behave('addon', { status: 503, times: 1 });
    await rig.install('addon');
  });
  afterEach(() => rig.close());

  const jump = (ms: number) => {
    offset = ms;
    return rig.setClock(ms);
  };

  async function oneFailure(): Promise<string> {
    const { id } = await rig.publish();
    await until(
      async () => (await rig.listed(`event=${id}`))[0]?.state === 'retrying',
      'the first attempt to be recorded',
    );
    return id;
  }

  /** `iat` is the host's own time when it sent, to the second. */
  function expectSaneTimes(): void {
    for (const { iat, fault } of rig.received().slice(-1)) {
      expect(fault).to.equal(null);
      expect(iat * 1_000 - (Date.now() + offset)).to.be.within(-5_000, 1_000);
    }
  }

  it('an hour ahead: what fell due meanwhile comes once, and what is published is told', async () => {
    const id = await oneFailure();
    await jump(HOUR);
    const next = await rig.publish();
    await until(
      async () => (await rig.counts('addon')).answered === 3,
      'retry and new event',
      20_000,
    );
    await rig.untilSettled(5_000);
    for (const event of [id, next.id]) {
      const [delivery] = await rig.listed(`event=${event}`);
      expect(delivery!.state).to.equal('delivered');
    }
    expectSaneTimes();
    await sleep(200);
    expect((await rig.counts('addon')).received).to.equal(3);
  });

  it('an hour back: no retry comes early or is lost, through a restart too', async () => {
    const id = await oneFailure();
    const [before] = await rig.listed(`event=${id}`);
    await jump(-HOUR);
    await sleep(1_500);
    const [after] = await rig.listed(`event=${id}`);
    expect(after).to.deep.equal(before);
    expect((await rig.counts('addon')).received).to.equal(1);
    await rig.kill();
    await rig.start();
    await sleep(500);
    expect((await rig.counts('addon')).received).to.equal(1);
    await jump(0);
    // A host that sleeps by the old clock looks again within a minute, or when something is published.
    await rig.publish();
    await until(async () => (await rig.counts('addon')).answered === 3, 'the retry', 20_000);
    expectSaneTimes();
  });

  it('an hour back: an event published after it still reaches who was installed before it', async () => {
    await rig.behave('addon', {});
    await jump(-HOUR);
    const { id } = await rig.publish();
    await until(
      async () => (await rig.listed(`event=${id}`))[0]?.state === 'delivered',
      'the event to be delivered',
      5_000,
    );
    expectSaneTimes();
  });
});
