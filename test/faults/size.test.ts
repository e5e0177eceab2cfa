// Faults 23, 24, 21 and 25: payloads, audiences and backlogs that are too large.
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { ON_POSTGRES } from '../helpers/new-database.ts';
import { until } from '../helpers/until.ts';
import { published } from './behind-the-host.ts';
import { now, percentile, Rig, sleep } from './rig.ts';

const MIB = 1024 * 1024;

describe('a payload over 1 MiB', () => {
  let rig: Rig;

  before(async () => {
    rig = await Rig.open();
    await rig.start();
    await rig.install('addon');
  });
  after(() => rig.close());

  const written = () => published(rig.database);
  const event = (bytes: number) => ({
    type: 'repo:push',
    context: 'acme',
    payload: { n: 1, pad: 'x'.repeat(bytes) },
  });

  it('is refused with 413 before anything is written', async () => {
    const before = await written();
    const { status, json } = await rig.operator('POST', '/events', event(MIB));
    expect([status, json.code]).to.deep.equal([413, 'payload_too_large']);
    expect(await written()).to.equal(before);
  });

  it('ten times over is refused before it was read: who only writes may be cut off before the answer', async () => {
    const before = await written();
    const refused = await rig.operator('POST', '/events', event(10 * MIB)).then(
      ({ status }) => status,
      ({ cause }: { cause: { code: string } }) => cause.code,
    );
    expect(refused).to.be.oneOf([413, 'EPIPE', 'ECONNRESET']);
    expect(await written()).to.equal(before);
  });

  it('takes the whole batch with it', async () => {
    const before = await written();
    const response = await fetch(`${rig.url}/operator/v1/events`, {
      method: 'POST',
      headers: {
        authorization: rig.authorization,
        'content-type': 'application/x-ndjson',
      },
      body: [10, MIB, 10].map((bytes) => JSON.stringify(event(bytes))).join('\n'),
    });
    expect(response.status).to.equal(413);
    expect(await written()).to.equal(before);
    await rig.publish();
    await until(async () => (await rig.counts('addon')).received > 0, 'an event that fits');
    expect(rig.received()).to.have.length(1);
  });
});

/** Publishes one after the other. @returns milliseconds of each */
async function publishTimes(
  rig: Rig,
  context: string,
  isDone: (begun: number, count: number) => boolean | Promise<boolean>,
): Promise<number[]> {
  const times: number[] = [];
  const begun = now();
  while (!(await isDone(begun, times.length))) times.push((await rig.publish({ context })).ms);
  return times;
}

describe('an event that thousands of installations are told', function () {
  this.timeout(120_000);
  /** To seed them takes PostgreSQL six times as long. */
  const COUNT = ON_POSTGRES ? 2_000 : 10_000;
  let rig: Rig;

  before(async () => {
    rig = await Rig.open();
    await rig.start();
    await rig.install('narrow', { context: 'narrow' });
    await rig.seed({
      count: COUNT,
      context: 'wide',
      address: (i) => ({ origin: rig.origin(2 + (i % 100)), name: `wide-${i}` }),
    });
  });
  after(() => rig.close());

  it('is published as fast as one for one, is fanned out in chunks that hold up nobody, and reaches each once', async () => {
    await publishTimes(rig, 'nobody', (_, count) => count >= 50);
    const narrow = await publishTimes(rig, 'narrow', (_, count) => count >= 50);
    const { ms, id } = await rig.publish({ context: 'wide' });
    const meanwhile = await publishTimes(
      rig,
      'narrow',
      async (begun, count) => count >= 50 && now() - begun > 1_500,
    );
    const [alone, p50, slowest] = [
      percentile(narrow, 0.5),
      percentile(meanwhile, 0.5),
      Math.max(...meanwhile),
    ];
    const told = () => rig.received().filter(({ eventId }) => eventId === id);
    await until(() => told().length >= COUNT, `${COUNT} deliveries`, 90_000);
    console.log(
      `      publish ${alone.toFixed(1)} ms for one, ${ms.toFixed(1)} ms for ${COUNT}; during its fan-out ${p50.toFixed(1)} ms, at most ${slowest.toFixed(0)} ms; all told after ${((told().at(-1)!.at - told()[0]!.at) / 1_000).toFixed(1)} s`,
    );
    // A fan-out within it would add a quarter of a second at least.
    expect(ms).to.be.below(1.2 * Math.max(...narrow) + 30);
    // One chunk, and what a machine that does other work adds to any publish.
    expect(slowest).to.be.below(200 + 3 * Math.max(...narrow));
    expect(new Set(told().map(({ clientKey }) => clientKey)).size).to.equal(COUNT);
    expect(told()).to.have.length(COUNT);
  });
});

describe('a backlog of a hundred thousand on one dead endpoint', function () {
  this.timeout(120_000);
  const BACKLOG = 100_000;
  /** Beside half as much again: what a machine that does other work adds; PostgreSQL does its own on the same one. */
  const MOST_ADDED_MS = ON_POSTGRES ? 400 : 100;
  /**
   * However long the backlog is. On a file the page cache has filled, which holds 64 MB; on PostgreSQL rows that were read
   * wait for the collector, which leaves as much of 400,000 as of 20,000.
   */
  const MOST_ADDED_MIB = ON_POSTGRES ? 260 : 190;
  let rig: Rig;
  let dead: string;
  /** Before there was a backlog. */
  let clean: { publish: number[]; arrival: number[]; rss: number };

  before(async () => {
    rig = await Rig.open();
    await rig.start();
    await rig.behave('dead', { status: 503 });
    dead = await rig.install('dead', { context: 'big' });
    await rig.install('healthy', { host: 2 });
    await measure(500);
    clean = await measure(1_500);
    const last = (await rig.publishMany(BACKLOG, { context: 'big' })).at(-1)!;
    const isOwed = async () => (await rig.listed(`event=${last}`)).length > 0;
    await until(isOwed, 'the fan-out of the backlog', 90_000);
  });
  after(() => rig.close());

  /** Publishes to the healthy one for a while. What has not come 10 s later counts as never. */
  async function measure(forMs: number) {
    const published: { n: number; at: number; ms: number }[] = [];
    for (const begun = now(); now() - begun < forMs; await sleep(10))
      published.push(await rig.publish());
    const expected = new Set(published.map(({ n }) => n));
    const came = new Map<number, number>();
    const look = () => {
      for (const { n, at } of rig.received()) if (expected.has(n)) came.set(n, at);
      return came.size === expected.size;
    };
    await until(look, 'the healthy one to be told', 10_000).catch(() => undefined);
    return {
      publish: published.map(({ ms }) => ms),
      arrival: published.map(({ n, at }) => (came.get(n) ?? Number.POSITIVE_INFINITY) - at),
      rss: residentMiB(rig.pid),
    };
  }

  function expectFlat(measured: typeof clean, what: string): void {
    const of = (values: number[]) => percentile(values, 0.99);
    console.log(
      `      ${what}: publish p99 ${of(measured.publish).toFixed(0)} ms (${of(clean.publish).toFixed(0)} without), arrival p99 ${of(measured.arrival).toFixed(0)} ms (${of(clean.arrival).toFixed(0)}), ${measured.rss} MiB (${clean.rss})`,
    );
    expect(of(measured.arrival), 'arrival').to.be.below(1.5 * of(clean.arrival) + MOST_ADDED_MS);
    expect(of(measured.publish), 'publish').to.be.below(1.5 * of(clean.publish) + MOST_ADDED_MS);
  }

  it('is felt by nobody else', async () => {
    const beside = await measure(3_000);
    expectFlat(beside, 'with the backlog');
    expect(beside.rss).to.be.below(clean.rss + MOST_ADDED_MIB);
  });

  it('drains when the endpoint recovers, without a stampede, still felt by nobody', async () => {
    await rig.behave('dead', {});
    const before = (await rig.counts('dead')).answered;
    // Past every retry's wait, and every probe's; the time of PostgreSQL is not the host's to set, but to declare it well
    // has the same end.
    if (ON_POSTGRES) await rig.operator('POST', `/installations/${dead}/recover`);
    else await rig.setClock(30 * 60_000);
    await rig.publish({ context: 'big' });
    const hasDrained = async () => (await rig.counts('dead')).answered > before + 2_000;
    expectFlat(await measure(3_000), 'while it drains');
    await until(hasDrained, '2,000 of the backlog', 15_000);
    expect((await rig.counts('dead')).mostUnderWay).to.be.at.most(32);
  });

  it('is nobody’s when the add-on is uninstalled: no attempt after the answer, and the purge holds up nobody', async () => {
    const { status } = await rig.operator('DELETE', `/installations/${dead}`);
    expect(status).to.equal(204);
    await rig.fence();
    const { received } = await rig.counts('dead');
    expectFlat(await measure(3_000), 'during the purge');
    await rig.fence();
    expect((await rig.counts('dead')).received).to.equal(received);
    const { json } = await rig.operator(
      'GET',
      `/deliveries?installation=${dead}&state=dropped&limit=10`,
    );
    expect(json.items).to.have.length(10);
    for (const { reason } of json.items) expect(reason).to.equal('uninstalled');
  });

  it('is not taken up again by a re-install, whose own events do not wait for the purge', async () => {
    const again = await rig.install('dead', { context: 'big' });
    expect(again).to.equal(dead);
    const { received } = await rig.counts('dead');
    const { n, at } = await rig.publish({ context: 'big' });
    await until(
      async () => (await rig.counts('dead')).received > received,
      'the new event',
      30_000,
    );
    const came = rig
      .received()
      .filter(({ addon }) => addon === 'dead')
      .slice(received);
    expect(came.map((call) => call.n)).to.deep.equal([n]);
    expect(came[0]!.at - at, 'milliseconds that it waited').to.be.below(5_000);
  });
});

/** Resident memory, from /proc. */
function residentMiB(pid: number): number {
  const [, kib] = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))!;
  return Math.round(Number(kib) / 1024);
}
