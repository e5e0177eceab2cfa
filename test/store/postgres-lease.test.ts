// One leader for a database, whatever becomes of the process that leads.
//
// Seen red: renewal left out; taking over without looking at the expiry; isHeld that only asks whether it was released;
// a release that leaves the row; a lease far in the future taken for one that runs; one clock alone; a renewal that does
// not look at the lifetime.
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import type { EngineLock } from '../../src/store/engine-store.ts';
import { openPostgres } from '../../src/store/postgres/open.ts';
import type { Store } from '../../src/store/store.ts';
import { asOwner, migratedDatabase } from '../helpers/postgres.ts';
import { type RunningProcess, startScript } from '../helpers/process.ts';

const HOLDER = new URL('../helpers/lease-holder.ts', import.meta.url).pathname;

describe('the right to lead on PostgreSQL', () => {
  let url: string;
  let store: Store;
  let holder: RunningProcess | undefined;

  beforeEach(async () => {
    url = await migratedDatabase();
    store = openPostgres(url);
  });
  afterEach(async () => {
    await holder?.kill();
    holder = undefined;
    await store.close();
  });

  const expiry = async () => {
    const rows = await asOwner<{ at: Date }>(
      'SELECT expires_at AS at FROM mortise.engine_lease',
      [],
      url,
    );
    return rows[0]!.at.getTime();
  };

  it('is renewed while its holder lives, taken over when it stopped, and not held by one that comes back', async function () {
    this.timeout(60_000);
    holder = startScript(HOLDER, { DATABASE: url });
    await holder.waitFor(/^held/m);
    expect(await store.engine.tryLock()).to.equal(undefined);
    const first = await expiry();
    await sleep(7_000);
    expect(await expiry()).to.be.greaterThan(first + 4_000);
    holder.child.kill('SIGSTOP');
    const stopped = performance.now();
    let lock: EngineLock | undefined;
    while (!lock) {
      expect(performance.now() - stopped).to.be.lessThan(20_000);
      lock = await store.engine.tryLock();
      if (!lock) await sleep(100);
    }
    expect(performance.now() - stopped).to.be.within(9_000, 16_500);
    expect(lock.isHeld()).to.equal(true);
    const before = holder.output().length;
    holder.child.kill('SIGCONT');
    await holder.waitFor(/^lost/m);
    await sleep(200);
    expect(holder.output().slice(before)).not.to.match(/^held/m);
    expect(lock.isHeld()).to.equal(true);
    await lock.release();
  });

  it('is handed over at once when it is released', async () => {
    const first = (await store.engine.tryLock())!;
    expect(await store.engine.tryLock()).to.equal(undefined);
    await first.release();
    expect(first.isHeld()).to.equal(false);
    const second = (await store.engine.tryLock())!;
    expect(second.isHeld()).to.equal(true);
    // Who had it does not give away what another has.
    await first.release();
    expect(await store.engine.tryLock()).to.equal(undefined);
    await second.release();
  });

  it('has run out after the machine has slept, though no time has passed for the process', async () => {
    const lock = (await store.engine.tryLock())!;
    const { now } = Date;
    Date.now = () => now() + 14_500;
    try {
      expect(lock.isHeld()).to.equal(false);
      await lock.lost;
    } finally {
      Date.now = now;
    }
  });

  it('has one holder of many that ask at once', async () => {
    const others = [openPostgres(url), openPostgres(url)];
    const asked = [store, ...others].flatMap((each) => [each, each, each]);
    const locks = await Promise.all(asked.map((each) => each.engine.tryLock()));
    const held = locks.filter((lock) => lock !== undefined);
    for (const lock of held) await lock.release();
    for (const each of others) await each.close();
    expect(held).to.have.length(1);
  });

  it('is lost when another has it, at the next renewal', async function () {
    this.timeout(15_000);
    const lock = (await store.engine.tryLock())!;
    await asOwner(`UPDATE mortise.engine_lease SET holder = 'another', fence = fence + 1`, [], url);
    await lock.lost;
    expect(lock.isHeld()).to.equal(false);
    await lock.release();
    const rows = await asOwner('SELECT holder FROM mortise.engine_lease', [], url);
    expect(rows).to.deep.equal([{ holder: 'another' }]);
  });

  it('is not kept for an hour because a clock was set back by one', async () => {
    await asOwner(
      `INSERT INTO mortise.engine_lease (holder, fence, expires_at) VALUES ('dead', 1, now() + interval '1 hour')`,
      [],
      url,
    );
    const lock = await store.engine.tryLock();
    expect(lock?.isHeld()).to.equal(true);
    await lock!.release();
  });

  it('is lost when PostgreSQL may have forgotten something: it has crashed', async function () {
    this.timeout(15_000);
    const short = openPostgres(url, undefined, { leaseMs: 3_000 });
    const lock = (await short.engine.tryLock())!;
    // What a crash does to it.
    await asOwner('TRUNCATE mortise.lifetime', [], url);
    await lock.lost;
    expect(lock.isHeld()).to.equal(false);
    await lock.release();
    const next = (await short.engine.tryLock())!;
    await sleep(4_000);
    expect(next.isHeld()).to.equal(true);
    await next.release();
    await short.close();
  });
});
