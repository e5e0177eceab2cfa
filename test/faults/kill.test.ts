// Faults 1, 2 and 3: kill -9 under load, between the answer and the commit, and inside a wide fan-out. Seen red: with
// deliveries ended when they are taken, with a fan-out that does not look at resources, without the look-up of a key; on
// PostgreSQL with a take-over that does not read what its predecessor owed.
import { writeFileSync } from 'node:fs';
import { expect } from 'chai';
import { ON_POSTGRES } from '../helpers/new-database.ts';
import { until } from '../helpers/until.ts';
import { LEASE_MS } from './replicas.ts';
import { expectBalanced, Rig, sleep } from './rig.ts';
import { chosenSeed, seededRandom } from './seeded-random.ts';

const KILLS = Number(process.env.MORTISE_FAULT_KILLS ?? (ON_POSTGRES ? 60 : 200));
/** They take a third of that, and a little more, where two cores have nothing else to do; it is said how far it came in the end. */
const BUDGET_MS = process.env.MORTISE_FAULT_KILLS
  ? Number.POSITIVE_INFINITY
  : KILLS * (ON_POSTGRES ? 2_500 : 1_250);
/** How many live long enough to record what they began; on PostgreSQL it takes them longer until they send. */
const LONG_LIVES = ON_POSTGRES ? 0.5 : 0.1;
/** Who is told of one event; to seed them takes PostgreSQL longer, and to fan out to them. */
const WIDE = ON_POSTGRES ? 1_000 : 2_000;
const FAN_OUT_MS = ON_POSTGRES ? 60 : 15;

const KINDS = [
  { type: 'repo:push', context: 'acme', resource: 'acme/site' },
  { type: 'issue:created', context: 'acme', resource: 'acme/site' },
  { type: 'repo:push', context: 'acme', resource: 'acme/other' },
  { type: 'repo:push', context: 'acme' },
  { type: 'repo:push', context: 'other', resource: 'other/site' },
  { type: 'issue:created', context: 'other' },
];

describe('a host killed with kill -9', function () {
  this.timeout(240_000 + KILLS * 2_000);
  let rig: Rig;

  beforeEach(async () => {
    rig = await Rig.open({ jitter: 0, leaseMs: LEASE_MS });
    await rig.start();
  });
  afterEach(() => rig.close());

  it(`${KILLS} times at random under load loses nothing, tells nobody more, and repeats only what was in flight`, async () => {
    const seed = chosenSeed();
    const random = seededRandom(seed);
    await rig.install('everything', { scopes: ['repository', 'issue'] });
    await rig.install('pushes');
    await rig.install('issues', { scopes: ['issue'] });
    await rig.install('one-site', { resources: ['acme/site'] });
    await rig.install('elsewhere', { context: 'other', scopes: ['repository', 'issue'] });
    await rig.install('slow');
    await rig.install('flaky');
    await rig.behave('slow', { delayMs: [5, 150] });
    await rig.behave('flaky', { status: 503, share: 0.2 });
    await rig.startPublisher({ kinds: KINDS, writers: 6, pauseMs: 5 });
    const begun = Date.now();
    let kills = 0;
    for (; kills < KILLS && Date.now() - begun < BUDGET_MS; kills++) {
      rig.prepareNext();
      await sleep(random() < LONG_LIVES ? 500 + random() * 300 : 30 + random() * 150);
      // Now and then the next is on PostgreSQL while the lease of this one runs: it has to stand by, and may be killed so.
      await rig.kill({ endsLease: random() > 0.1 });
      const starting = rig.start();
      starting.catch(() => undefined);
      if (random() < 0.1) {
        // While it starts, too.
        await sleep(random() * 80);
        await rig.kill();
        await rig.start();
      } else await starting;
    }
    const seconds = (Date.now() - begun) / 1_000;
    await rig.behave('flaky', {});
    const { published } = await rig.stopPublisher();
    await rig.untilSettled(30_000);
    const books = await rig.balance();
    console.log(
      `      seed ${seed}: ${rig.disturbances.length} kills in ${seconds.toFixed(0)} s, ${published} events, ${await rig.total()} deliveries, ${books.duplicates.length} twice, at most ${books.mostPerDisturbance} of one kill`,
    );
    expectBalanced(books);
    if (kills < KILLS)
      console.warn(`      NOT ALL: ${kills} of ${KILLS} kills, since this machine is slow.`);
    expect(kills).to.be.at.least(KILLS / 4);
    expect(published).to.be.above(kills / 4);
  });

  it('between the answer and the commit sends again under the same id, as the same attempt', async () => {
    await rig.install('addon');
    await rig.behave('addon', { hold: true });
    const { id } = await rig.publish();
    await until(async () => (await rig.counts('addon')).received === 1, 'the attempt');
    // Whoever holds the write lock keeps the host from recording what it is about to be told.
    const unlock = await rig.lock();
    await rig.behave('addon', {});
    await until(async () => (await rig.counts('addon')).answered === 1, 'the answer');
    await sleep(100);
    await rig.kill();
    await unlock();
    await rig.start();
    await until(async () => (await rig.counts('addon')).answered === 2, 'the second time');
    await rig.untilSettled(5_000);
    const [first, second] = rig.received();
    expect(second).to.include({
      webhookId: first!.webhookId,
      eventId: id,
      attempt: 1,
      fault: null,
    });
    const [delivery] = await rig.listed(`event=${id}`);
    expect(delivery).to.include({ id: first!.webhookId, state: 'delivered', attemptCount: 1 });
  });

  it(`six times inside the fan-out to ${WIDE} installations: each is owed and told once`, async () => {
    const KILLS_INSIDE = 6;
    const seed = chosenSeed();
    const random = seededRandom(seed);
    await rig.seed({
      count: WIDE,
      context: 'acme',
      address: (i) => ({ origin: rig.origin(2 + (i % 50)), name: `wide-${i}` }),
    });
    // Nobody answers before the last kill, so that what was sent shows how far the fan-out had come.
    const names = Array.from({ length: WIDE }, (_, i) => `wide-${i}`);
    await rig.behave(names, { hold: true });
    const { id, n } = await rig.publish();
    const reached: number[] = [];
    for (let kill = 0; kill < KILLS_INSIDE; kill++) {
      rig.prepareNext();
      // The first to be told show that the first chunks are written.
      const before = await rig.total();
      const hasBegun = async () => (await rig.total()) > before;
      await until(hasBegun, 'the first of this host to be told', 5_000);
      await sleep(random() * FAN_OUT_MS);
      await rig.kill();
      reached.push(new Set(rig.received().map(({ webhookId }) => webhookId)).size);
      if (kill === KILLS_INSIDE - 1) await rig.behave(names, {});
      await rig.start();
    }
    await until(
      async () => new Set(rig.received().map(({ webhookId }) => webhookId)).size >= WIDE,
      `${WIDE} deliveries`,
      60_000,
    );
    await rig.untilSettled(30_000);
    writeFileSync(
      rig.publishedFile,
      `${JSON.stringify({ n, id, type: 'repo:push', context: 'acme' })}\n`,
    );
    const books = await rig.balance();
    console.log(
      `      seed ${seed}: told when it was killed: ${reached.join(', ')}; ${books.duplicates.length} twice`,
    );
    expectBalanced(books);
    const listed = await rig.listed(`event=${id}`);
    expect(listed).to.have.length(WIDE);
    expect(new Set(listed.map(({ installationId }) => installationId)).size).to.equal(WIDE);
  });

  it('before it could answer a publish: the same key gives the id of the first time, and tells once', async () => {
    await rig.install('addon');
    const event = {
      type: 'repo:push',
      context: 'acme',
      payload: { n: 1 },
      idempotencyKey: 'asked-twice',
    };
    const ids = new Set<string>();
    for (let kill = 0; kill < 5; kill++) {
      rig.prepareNext();
      // Not waited for: the answer is lost with the host, or comes at the last moment.
      const asked = rig.operator('POST', '/events', event).catch(() => undefined);
      await sleep(kill * 4);
      await rig.kill();
      const answer = await asked;
      if (answer?.status === 202) ids.add(answer.json.id);
      await rig.start();
    }
    for (let i = 0; i < 2; i++) ids.add((await rig.operator('POST', '/events', event)).json.id);
    expect(ids.size).to.equal(1);
    await rig.untilSettled(5_000);
    await rig.fence();
    const deliveries = new Set(rig.received().map(({ webhookId }) => webhookId));
    expect(deliveries.size).to.equal(1);
    expect(await rig.listed()).to.have.length(1);
    const other = await rig.operator('POST', '/events', { ...event, payload: { n: 2 } });
    expect([other.status, other.json.code]).to.deep.equal([409, 'idempotency_conflict']);
  });
});
