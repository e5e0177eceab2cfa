// Faults that last: 4 (an endpoint that never answers), 16 and 27 (a database that another writer holds, and so results
// that cannot be recorded), and a host that is stopped. They are waited for side by side, each with a rig of its own.
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { until } from '../helpers/until.ts';
import type { Balance, Listed } from './ledger.ts';
import {
  COMMIT_SIZE,
  expectBalanced,
  expectEveryAttemptRecorded,
  IN_FLIGHT,
  now,
  percentile,
  Rig,
  sleep,
} from './rig.ts';

describe('a fault that lasts', function () {
  this.timeout(120_000);
  let unanswered: Promise<Unanswered>;
  let stopped: Promise<Stopped>;
  let locked: Promise<Locked>;

  before(() => {
    unanswered = withRig(neverAnswered);
    stopped = withRig(stoppedHost);
    locked = withRig(lockedDatabase);
  });

  it('an endpoint that accepts and never answers: the attempt is given up within 15 s, and made again', async () => {
    const { state, reason, afterMs } = await unanswered;
    expect(state).to.equal('retrying');
    expect(reason).to.match(/timeout|deadline/);
    // And what a machine that does other work adds.
    expect(afterMs).to.be.within(5_000, 20_000);
  });

  it('a database that another writer holds: sending stops, nothing spins, a publish waits or is refused as busy, and all is caught up with', async () => {
    const { sent, sentAtFirst, cpuShare, healthMs, published } = await locked;
    console.log(
      `      ${sent} sent while locked (${sentAtFirst} at first), ${(100 * cpuShare).toFixed(0)} % of a core, healthz p50 ${percentile(healthMs, 0.5).toFixed(0)} ms`,
    );
    // Collected: the one must not hide the others.
    const faults: string[] = [];
    if (sent > sentAtFirst) faults.push(`${sent - sentAtFirst} sent after it had stopped`);
    if (sent > IN_FLIGHT + COMMIT_SIZE) faults.push(`${sent} sent that could not be recorded`);
    if (cpuShare > 0.5) faults.push(`${(100 * cpuShare).toFixed(0)} % of a core used`);
    if (percentile(healthMs, 0.5) > 200) faults.push('requests that only read were held up');
    for (const { status, code, ms } of published) {
      const isClean = status === 202 || (status === 503 && code === 'store_busy');
      if (!isClean) faults.push(`publish answered ${status} ${code} after ${ms} ms`);
    }
    expect(faults).to.deep.equal([]);
  });

  it('a host stopped for 20 s with SIGSTOP: nothing is lost when it goes on', async () => {
    const { published, books, ends } = await stopped;
    console.log(`      ${published} events, ${books.duplicates.length} deliveries twice`);
    expectBalanced(books);
    expect(published).to.be.above(10);
    expect(ends.filter(({ state }) => state !== 'delivered')).to.deep.equal([]);
  });
});

describe('a database that another writer holds for a moment', () => {
  it('only delays a publish', async () => {
    await withRig(async (rig) => {
      const unlock = await rig.lock();
      const publishing = timedPublish(rig);
      await sleep(300);
      await unlock();
      const { status, ms } = await publishing;
      expect(status).to.equal(202);
      expect(ms).to.be.within(290, 3_000);
    });
  });
});

interface Unanswered extends Pick<Listed, 'state' | 'reason'> {
  afterMs: number;
}

async function neverAnswered(rig: Rig): Promise<Unanswered> {
  await rig.install('hung');
  await rig.behave('hung', { hold: true });
  const { id, at } = await rig.publish();
  const { state, reason } = await until(
    async () => {
      const [delivery] = await rig.listed(`event=${id}`);
      await sleep(100);
      return delivery?.state !== 'pending' && delivery;
    },
    'the attempt to be given up',
    30_000,
  );
  return { state, reason, afterMs: now() - at };
}

interface Stopped {
  published: number;
  books: Balance;
  ends: Listed[];
}

async function stoppedHost(rig: Rig): Promise<Stopped> {
  await rig.install('quick');
  await rig.install('slow', { host: 2 });
  await rig.behave('slow', { delayMs: [50, 300] });
  const kinds = [{ type: 'repo:push', context: 'acme' }];
  await rig.startPublisher({ kinds, writers: 2, pauseMs: 20 });
  await sleep(1_000);
  const at = now();
  rig.host.process.kill('SIGSTOP');
  await sleep(20_000);
  rig.host.process.kill('SIGCONT');
  // Timers that ran out meanwhile fire at once.
  rig.disturbances.push({ what: 'stop', at, until: now() + 500 });
  await sleep(500);
  const { published } = await rig.stopPublisher();
  await rig.untilSettled(30_000);
  return { published, books: await rig.balance(), ends: await rig.listed() };
}

interface Locked {
  sent: number;
  sentAtFirst: number;
  /** Of one core. */
  cpuShare: number;
  healthMs: number[];
  published: Answered[];
}

const ADDONS = 400;
const EVENTS = 4;
/** Longer than a write waits before it is refused. */
const LOCKED_MS = 12_000;

/** Ends when all is caught up with, and every attempt is in the log. */
async function lockedDatabase(rig: Rig): Promise<Locked> {
  await rig.seed({
    count: ADDONS,
    context: 'acme',
    address: (i) => ({ origin: rig.origin(2 + (i % 50)), name: `addon-${i}` }),
  });
  // Answers are kept until the database is locked: everything is owed, nothing is recorded.
  const names = Array.from({ length: ADDONS }, (_, i) => `addon-${i}`);
  await rig.behave(names, { hold: true });
  await rig.publishMany(EVENTS);
  await until(async () => (await rig.total()) > 0, 'the first attempts');
  const isFannedOut = async () => (await rig.listed('state=pending')).length === ADDONS * EVENTS;
  await until(isFannedOut, 'the fan-out', 30_000);

  const unlock = await rig.lock();
  const lockedAt = now();
  const isLocked = () => now() - lockedAt < LOCKED_MS;
  await rig.behave(names, {});
  const publishing = Array.from({ length: 5 }, () => timedPublish(rig));
  const sentAtFirst = await untilNothingIsSent(rig);
  const cpuBefore = cpuSeconds(rig.pid);
  const measuredSince = now();
  const healthMs: number[] = [];
  for (; isLocked(); await sleep(250)) {
    const asked = now();
    await fetch(`${rig.url}/healthz`);
    healthMs.push(now() - asked);
    // One that asks late is served when the lock is gone.
    if (publishing.length === 5 && now() - lockedAt > LOCKED_MS - 1_000)
      publishing.push(timedPublish(rig));
  }
  const cpuShare = ((cpuSeconds(rig.pid) - cpuBefore) * 1_000) / (now() - measuredSince);
  await rig.fence();
  const sent = await rig.total();
  await unlock();
  const published = await Promise.all(publishing);
  await rig.untilSettled(60_000);
  await rig.fence();
  await expectEveryAttemptRecorded(rig);
  return { sent, sentAtFirst, cpuShare, healthMs, published };
}

/** @returns what was sent until then */
async function untilNothingIsSent(rig: Rig): Promise<number> {
  for (let before = -1; ; ) {
    await rig.fence();
    const sent = await rig.total();
    if (sent === before) return sent;
    before = sent;
    await sleep(1_000);
  }
}

interface Answered {
  status: number;
  code: string | undefined;
  ms: number;
}

async function timedPublish(rig: Rig): Promise<Answered> {
  const begun = now();
  const { status, json } = await rig.operator('POST', '/events', {
    type: 'repo:push',
    context: 'acme',
    payload: { n: 1 },
  });
  return { status, code: json.code, ms: Math.round(now() - begun) };
}

/** User and system time of a process, from /proc. */
function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
  const TICKS_PER_SECOND = 100;
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** What fails is told by whoever waits for it. */
function withRig<T>(scenario: (rig: Rig) => Promise<T>): Promise<T> {
  const result = (async () => {
    const rig = await Rig.open({ jitter: 0 });
    try {
      await rig.start();
      return await scenario(rig);
    } finally {
      await rig.close();
    }
  })();
  result.catch(() => undefined);
  return result;
}
