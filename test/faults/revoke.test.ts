// Faults 20 and 22: what is revoked between publish and socket, and secrets that change under load. Seen red: without
// the gate's answer.
import { expect } from 'chai';
import { until } from '../helpers/until.ts';
import { Rig, sleep } from './rig.ts';
import { chosenSeed, seededRandom } from './seeded-random.ts';

describe('a grant that ends while deliveries are on their way', function () {
  this.timeout(60_000);
  const ROUNDS = 20;
  const EVENTS = 60;
  const BATCHES = 3;
  let rig: Rig;
  let id: string;

  beforeEach(async () => {
    rig = await Rig.open({ jitter: 0 });
    await rig.start();
    id = await rig.install('addon', { scopes: ['repository', 'issue'] });
    await rig.install('other', { host: 2 });
  });
  afterEach(() => rig.close());

  const change = async (body: Record<string, unknown>) => {
    const { status, json } = await rig.operator('PATCH', `/installations/${id}`, body);
    expect(status, JSON.stringify(json)).to.equal(200);
  };

  const stateOf = async (state: string) =>
    (await rig.listed(`installation=${id}&state=${state}`)).length;

  /** Deliveries to the add-on that came after the receiver had read everything sent before. */
  const cameSince = (seq: number) =>
    rig.received().filter((call) => call.addon === 'addon' && call.seq >= seq);

  const ways: [string, Record<string, unknown>, Record<string, unknown>, string][] = [
    ['its scope', { scopes: ['issue'] }, { scopes: ['repository', 'issue'] }, 'scope_not_granted'],
    ['the resource', { resources: ['acme/other'] }, { resources: null }, 'resource_not_granted'],
    ['everything: disabled', { state: 'disabled' }, { state: 'enabled' }, 'disabled'],
  ];

  for (const [title, revoke, restore, reason] of ways) {
    it(`no attempt starts after the answer that took away ${title}, ${ROUNDS} times; the reason is kept`, async () => {
      const seed = chosenSeed();
      const random = seededRandom(seed);
      await rig.behave('addon', { delayMs: [0, 15] });
      let late = 0;
      let dropped = 0;
      for (let round = 0; round < ROUNDS; round++) {
        const since = Date.now();
        for (let i = 0; i < BATCHES; i++)
          await rig.publishMany(EVENTS / BATCHES, { resource: 'acme/site' });
        await sleep(random() * 8);
        await change(revoke);
        await rig.fence();
        const answered = await rig.total();
        await until(async () => (await stateOf('pending')) === 0, 'nothing to be pending');
        await until(async () => (await stateOf('retrying')) === 0, 'nothing to be retried');
        await rig.fence();
        late += cameSince(answered).length;
        const listed = await rig.listed(`installation=${id}&since=${since}`);
        expect(listed).to.have.length(EVENTS);
        for (const delivery of listed) {
          if (delivery.state === 'delivered') continue;
          expect(delivery).to.include({ state: 'dropped', reason });
          dropped++;
        }
        await change(restore);
      }
      console.log(`      seed ${seed}: ${dropped} of ${ROUNDS * EVENTS} were dropped`);
      expect(late, 'attempts that started after the answer').to.equal(0);
      expect(dropped, 'rounds in which there was something to stop').to.be.above(ROUNDS);
      expect((await rig.counts('other')).received).to.be.above(0);
    });
  }

  it('while four are under way and twenty wait: the four are all that came', async () => {
    await rig.behave('addon', { hold: true });
    await rig.publishMany(24, { resource: 'acme/site' });
    await until(async () => (await rig.counts('addon')).received > 0, 'the first attempts');
    await sleep(200);
    await change({ scopes: ['issue'] });
    await rig.fence();
    const { received } = await rig.counts('addon');
    await rig.behave('addon', {});
    await rig.untilSettled(10_000);
    await rig.fence();
    expect((await rig.counts('addon')).received).to.equal(received);
    const listed = await rig.listed(`installation=${id}`);
    expect(listed).to.have.length(24);
    for (const { state, reason } of listed)
      expect([state, reason]).to.be.deep.oneOf([
        ['delivered', null],
        ['dropped', 'scope_not_granted'],
      ]);
    expect(listed.filter(({ state }) => state === 'delivered')).to.have.length(received);
  });
});

describe('secrets that are rotated', function () {
  this.timeout(60_000);
  const ROTATIONS = 10;
  /** An attempt that was signed before the add-on said yes may come this much after it. */
  const IN_FLIGHT_MS = 1_000;
  let rig: Rig;

  before(async () => {
    rig = await Rig.open({ jitter: 0 });
    await rig.start();
  });
  after(() => rig.close());

  it(`${ROTATIONS} times under load: every request verifies, with a secret that was good when it was sent`, async function () {
    const id = await rig.install('addon');
    const rotate = () => rig.operator('POST', `/installations/${id}/rotate-secret`);
    if ((await rotate()).status === 404) {
      console.warn('      NOT TESTED: rotation under load. This host has no rotate-secret.');
      this.skip();
    }
    await rig.behave('addon', { delayMs: [0, 20] });
    const kinds = [{ type: 'repo:push', context: 'acme' }];
    await rig.startPublisher({ kinds, writers: 4, pauseMs: 5 });
    for (let i = 0; i < ROTATIONS; i++) {
      await sleep(150);
      const { status, json } = await rotate();
      expect(status, JSON.stringify(json)).to.be.within(200, 299);
    }
    await sleep(150);
    await rig.stopPublisher();
    await rig.untilSettled(10_000);
    await rig.fence();
    const received = rig.received();
    const wrong = received.filter(
      ({ fault, secretUsed, secretsKnown, secretAgeMs }) =>
        fault !== null || (secretUsed !== secretsKnown - 1 && secretAgeMs > IN_FLIGHT_MS),
    );
    expect(wrong.slice(0, 3), `${wrong.length} of ${received.length}`).to.deep.equal([]);
    expect(received.at(-1)!.secretsKnown).to.be.above(ROTATIONS);
    expect(received.at(-1)!.secretUsed).to.equal(received.at(-1)!.secretsKnown - 1);
  });
});
