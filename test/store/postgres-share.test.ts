// Who sends for which bucket, when several replicas share a PostgreSQL, and that nobody's deliveries are forgotten when
// that changes.
//
// Seen red: a share that is not renewed, or renewed though its row is gone; more than a fair share kept; buckets taken
// whatever their fence; an outbox that begins where it did for other buckets, or at the first of one; given up while something is under way there, or while a fan-out relies on them; word taken from
// buckets that are another's; a look for work that does not look at the lifetime; a replica that is gone not waited for, and fanning out; what is owed counted twice.
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import pg from 'pg';
import { BUCKETS, bucketOf, newId } from '../../src/core/ids.ts';
import type { OwedLane } from '../../src/store/delivery-store.ts';
import type { Sender, Share } from '../../src/store/engine-store.ts';
import type { StoreObserver } from '../../src/store/observer.ts';
import { takeBuckets } from '../../src/store/postgres/buckets.ts';
import { Database } from '../../src/store/postgres/database.ts';
import { openPostgres } from '../../src/store/postgres/open.ts';
import type { OwedDelivery } from '../../src/store/rows.ts';
import type { Store } from '../../src/store/store.ts';
import { attemptRecord } from '../helpers/attempt-record.ts';
import { eventRow } from '../helpers/event-row.ts';
import { asOwner, migratedDatabase } from '../helpers/postgres.ts';
import { installIn, subscriptionsOf } from '../helpers/postgres-installation.ts';
import { until } from '../helpers/until.ts';

const ROUNDS = 10_000;
const HOUR = 3_600_000;
const TYPE = 'repo:push';

/** What shares with others, and does not send. */
interface Replica {
  store: Store;
  share: Share;
  lanes: OwedLane[];
  busy: string[];
  onLetGo(): void;
  /** What the gauge says. */
  owed: number;
  /** What it finds when it looks for more. */
  found: OwedLane[][];
}

describe('a share of what is sent from PostgreSQL', function () {
  this.timeout(90_000);
  let url: string;
  let replicas: Replica[];

  beforeEach(async () => {
    url = await migratedDatabase();
    replicas = [];
  });
  afterEach(async () => {
    for (const { share, store } of replicas) {
      await share.release();
      await store.close();
    }
  });

  const query = <T extends object>(sql: string, values: unknown[] = []) =>
    asOwner<T>(sql, values, url);

  async function join(leaseMs?: number): Promise<Replica> {
    const replica = { lanes: [], busy: [], found: [], owed: 0, onLetGo() {} } as unknown as Replica;
    const observer = {
      committed() {},
      synced() {},
      owed(count) {
        replica.owed += count;
      },
      ended(count) {
        replica.owed -= count;
      },
    } satisfies StoreObserver;
    replica.store = openPostgres(url, observer, { leaseMs });
    replica.share = (await replica.store.engine.tryShare())!;
    const sender: Sender = {
      taken: (lanes) => void replica.lanes.push(...lanes),
      letGo: () => replica.onLetGo(),
      lingering: () => replica.busy.filter((id) => !replica.share.includes(id)),
      mayOweMore: () =>
        void replica.store.deliveries.lanes().then((lanes) => replica.found.push(lanes)),
    };
    replicas.push(replica);
    await replica.share.start(sender);
    return replica;
  }

  const sizes = () => replicas.map(({ share }) => share.size);
  const untilShared = (...wanted: number[]) =>
    until(() => String(sizes()) === String(wanted), `shares of ${wanted}`);
  /** Told of all events in `acme`. */
  async function install(store: Store): Promise<string> {
    const { id } = await installIn(store);
    await store.installations.replaceSubscriptions(id, subscriptionsOf(id, [TYPE]), 0);
    return id;
  }
  /** As many as it takes until each replica sends to two of them. */
  async function installForEach(): Promise<string[]> {
    const ids: string[] = [];
    const isEnough = ({ share }: Replica) => ids.filter((id) => share.includes(id)).length >= 2;
    while (!replicas.every(isEnough)) ids.push(await install(replicas[0]!.store));
    return ids;
  }
  const publish = (store: Store, own: Parameters<typeof eventRow>[0] = {}) =>
    store.events.publish([eventRow({ type: TYPE, context: 'acme', resource: null, ...own })]);
  const fanOut = ({ store }: Replica) => store.events.fanOut(256, Date.now(), HOUR);
  /** A lock that a fan-out waits for in the middle. */
  async function blockFanOut(): Promise<() => Promise<void>> {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    await client.query('BEGIN; UPDATE mortise.outbox SET resource = resource');
    return async () => {
      await client.query('ROLLBACK');
      await client.end();
    };
  }
  const untilBlocked = () =>
    until(
      async () =>
        (
          await query(`SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
          AND query LIKE '%INSERT INTO mortise.deliveries%'`)
        ).length > 0,
      'the fan-out to wait',
    );

  it('is all for one, half for each of two, a third for each of three; and all again', async () => {
    await join();
    expect(sizes()).to.deep.equal([BUCKETS]);
    await join();
    await untilShared(128, 128);
    await join();
    await untilShared(86, 86, 84);
    const rows = await query<{ n: string }>(
      'SELECT count(*) AS n FROM mortise.buckets GROUP BY owner ORDER BY n',
    );
    expect(rows.map(({ n }) => Number(n))).to.deep.equal([84, 86, 86]);
    for (let i = 0; i < 1_000; i++) {
      const id = newId();
      expect(replicas.filter(({ share }) => share.includes(id))).to.have.length(1);
    }
    const [first, second, third] = replicas as [Replica, Replica, Replica];
    await first.share.release();
    await second.share.release();
    expect(first.share.isHeld()).to.equal(false);
    const since = performance.now();
    await until(() => third.share.size === BUCKETS, 'the last to have all');
    expect(performance.now() - since).to.be.lessThan(1_500);
  });

  it('is handed over bucket by bucket, each when nothing is under way there', async () => {
    const first = await join();
    let idle = '';
    first.onLetGo = () => {
      const leaving = Array.from({ length: BUCKETS }, (_, bucket) => idIn(bucket)).filter(
        (id) => !first.share.includes(id),
      );
      idle = leaving[0]!;
      first.busy = leaving.slice(1);
    };
    const second = await join();
    await until(() => second.share.size > 0, 'the second to have something');
    await sleep(1_200);
    expect(second.share.size).to.equal(1);
    expect(second.share.includes(idle)).to.equal(true);
    first.busy = [];
    await untilShared(128, 128);
  });

  it('goes on to others while its holder stops, but for what is under way there', async () => {
    const first = await join();
    const second = await join();
    await untilShared(128, 128);
    const hanging = idIn(0);
    const other = [0, 1].map(idIn);
    const [holder, taker] = first.share.includes(hanging) ? [first, second] : [second, first];
    holder.busy = [hanging];
    let drained!: () => void;
    const released = holder.share.release(
      new Promise((resolve) => {
        drained = resolve;
      }),
    );
    await until(() => taker.share.size === BUCKETS - 1, 'all but one to be taken');
    expect(other.map((id) => taker.share.includes(id))).to.deep.equal([false, true]);
    drained();
    await released;
    await until(() => taker.share.size === BUCKETS, 'the last to be taken');
  });

  it('is lost by who could not renew it, and taken by others, not before it has run out', async () => {
    const first = await join(4_000);
    const second = await join(4_000);
    await untilShared(128, 128);
    const stopped = performance.now();
    // Its connections are cut off for good: it stands still, as far as PostgreSQL knows.
    await first.store.close();
    let lostAt = 0;
    void first.share.lost.then(() => {
      lostAt = performance.now();
    });
    await until(() => second.share.size === BUCKETS, 'the second to have all');
    const takenAt = performance.now();
    expect(takenAt - stopped).to.be.within(2_500, 6_000);
    expect(lostAt).to.be.within(stopped, takenAt);
    expect(first.share.isHeld()).to.equal(false);
    expect(first.share.size).to.equal(0);
    replicas = [second];
  });

  for (const [title, change] of [
    ['its row is gone', 'DELETE FROM mortise.replicas'],
    ['PostgreSQL may have forgotten something', 'TRUNCATE mortise.lifetime'],
  ] as const) {
    it(`is lost with the next renewal when ${title}`, async () => {
      const { share } = await join(3_000);
      await query(change);
      const since = performance.now();
      await share.lost;
      expect(performance.now() - since).to.be.lessThan(1_950);
      expect([share.isHeld(), share.includes(newId())]).to.deep.equal([false, false]);
    });
  }

  it('is lost with the next look for work when PostgreSQL may have forgotten something', async () => {
    const { share } = await join(HOUR);
    expect(await share.lookForWork()).to.equal(undefined);
    expect(share.isHeld()).to.equal(true);
    await query('TRUNCATE mortise.lifetime');
    expect(await share.lookForWork()).to.equal(undefined);
    expect([share.isHeld(), share.includes(newId())]).to.deep.equal([false, false]);
    await share.lost;
  });

  it('of one that is gone is taken after a lease, though a clock was set back by an hour; of one that lives is not', async () => {
    const first = await join(4_000);
    await query(`UPDATE mortise.replicas SET expires_at = clock_timestamp() + interval '1 hour'`);
    await query(
      `INSERT INTO mortise.replicas VALUES ('dead', clock_timestamp() + interval '1 hour')`,
    );
    await query(`UPDATE mortise.buckets SET owner = 'dead' WHERE id = 7`);
    const second = await join(4_000);
    expect(await query(`SELECT 1 FROM mortise.replicas`)).to.have.length(3);
    const since = performance.now();
    const isTaken = async () =>
      (await query(`SELECT 1 FROM mortise.buckets WHERE id = 7 AND owner <> 'dead'`)).length > 0;
    await until(isTaken, 'it to be taken');
    expect(performance.now() - since).to.be.within(2_500, 6_000);
    expect([first.share.isHeld(), second.share.isHeld()]).to.deep.equal([true, true]);
  });

  it(`has one owner of two that race for a bucket, ${ROUNDS} times: each fence is of one`, async () => {
    const racers = [new Database(url), new Database(url)];
    const ids = ['one', 'two'];
    for (const id of ids) {
      await query(`INSERT INTO mortise.replicas VALUES ($1, clock_timestamp() + interval '1 h')`, [
        id,
      ]);
    }
    const won = [0, 0];
    let seen: { id: number; owner: string | null; fence: number } = {
      id: 3,
      owner: null,
      fence: 0,
    };
    for (let round = 0; round < ROUNDS; round++) {
      const taken = await Promise.all(racers.map((db, i) => takeBuckets(db, ids[i]!, [seen])));
      const winners = taken.flatMap((buckets, i) => (buckets.length > 0 ? i : []));
      if (winners.length !== 1) throw new Error(`round ${round}: ${winners.length} winners`);
      won[winners[0]!]!++;
      seen = { id: 3, owner: ids[winners[0]!]!, fence: seen.fence + 1 };
    }
    const rows = await query('SELECT owner, fence FROM mortise.buckets WHERE id = 3');
    expect(rows).to.deep.equal([{ owner: seen.owner, fence: String(ROUNDS) }]);
    expect(Math.min(...won)).to.be.greaterThan(0);
    for (const db of racers) await db.close();
  });

  it('has the events of who publishes them; those of one order are of one owner, whoever does', async () => {
    const first = await join();
    await join();
    await untilShared(128, 128);
    for (const { store } of replicas) {
      await publish(store);
      await publish(store, { orderingKey: 'k' });
    }
    const rows = await query<{ bucket: number; key: string | null }>(
      'SELECT bucket, ordering_key AS key FROM mortise.outbox ORDER BY seq',
    );
    const [mine, inOrder, theirs, inOrderToo] = rows.map(({ bucket }) => bucket);
    expect([inOrder, inOrderToo]).to.deep.equal([bucketOf('k'), bucketOf('k')]);
    expect(first.share.includes(idIn(mine!))).to.equal(true);
    expect(first.share.includes(idIn(theirs!))).to.equal(false);
    // Both together fan out all of it, each its own.
    const passes = [await fanOut(first), await fanOut(replicas[1]!)];
    expect(passes.map(({ events }) => events).sort()).to.deep.equal([1, 3]);
    expect(await query('SELECT 1 FROM mortise.outbox')).to.deep.equal([]);
  });

  it('has what waited in a bucket before it came there, however far it has come elsewhere', async () => {
    const [first, second] = [await join(), await join()];
    await untilShared(128, 128);
    await install(first.store);
    const keyOf = ({ share }: Replica) => {
      for (let i = 0; ; i++) if (share.includes(`key ${i}`)) return `key ${i}`;
    };
    const [early] = await publish(first.store, { orderingKey: keyOf(first) });
    for (let i = 0; i < 10; i++) {
      await publish(second.store, { orderingKey: keyOf(second) });
      expect((await fanOut(second)).events).to.equal(1);
    }
    await first.share.release();
    await untilShared(0, BUCKETS);
    const { owed } = await fanOut(second);
    expect(owed.map(({ eventId }) => eventId)).to.deep.equal([early]);
  });

  it('passes over nothing in one of its buckets while it is busy with others', async () => {
    const [first] = [await join(), await join()];
    await untilShared(128, 128);
    await installForEach();
    const keys: string[] = [];
    for (let i = 0; keys.length < 8; i++)
      if (first.share.includes(`key ${i}`)) keys.push(`key ${i}`);
    const published: string[] = [];
    const taken: string[] = [];
    const pass = async (limit: number) => {
      const { owed, events } = await first.store.events.fanOut(limit, Date.now(), HOUR);
      taken.push(...owed.map(({ eventId }) => eventId));
      return events;
    };
    for (let round = 0; round < 15; round++) {
      for (const orderingKey of keys)
        published.push(...(await publish(first.store, { orderingKey })));
      for (let i = 0; i < 4; i++) await pass(1);
    }
    while ((await pass(256)) > 0);
    expect([...new Set(taken)].sort()).to.deep.equal([...published].sort());
  });

  it('hears what others make due in it, once, and is told nothing of the rest', async () => {
    const first = await join();
    const second = await join();
    await untilShared(128, 128);
    const ids = await installForEach();
    const [ofFirst, ofSecond] = replicas.map(({ share }) => ids.filter((id) => share.includes(id)));
    await publish(first.store);
    const { owed } = await fanOut(first);
    expect(installationsOf(owed)).to.deep.equal(ofFirst!.sort());
    expect(await first.share.lookForWork()).to.equal(undefined);
    const found = await second.share.lookForWork();
    expect(found).to.include({ hasMore: false });
    expect(installationsOf(found!.owed)).to.deep.equal(ofSecond!.sort());
    const [row] = (await second.store.deliveries.window(ofSecond![0]!, Date.now(), 1)).due;
    expect(found!.owed.find(({ id }) => id === row!.id)).to.deep.equal(row);
    expect(await second.share.lookForWork()).to.equal(undefined);
    expect([first.owed, second.owed]).to.deep.equal([ofFirst!.length, ofSecond!.length]);
  });

  it('takes no word, and no recovery, from a bucket that is another’s by then', async () => {
    const { share, store } = await join();
    const id = await install(store);
    await query('INSERT INTO mortise.handed VALUES ($1, $2, 1)', [bucketOf(id), id]);
    await query('INSERT INTO mortise.recoveries (bucket, installation_id) VALUES ($1, $2)', [
      bucketOf(id),
      id,
    ]);
    await query(`UPDATE mortise.buckets SET owner = 'another', fence = fence + 1 WHERE id = $1`, [
      bucketOf(id),
    ]);
    const nothing = { owed: [], installationIds: [], hasMore: true };
    expect(await share.lookForWork()).to.deep.equal(nothing);
    expect(await store.installations.takeRecovered()).to.deep.equal([]);
    expect(await query('SELECT 1 FROM mortise.handed')).to.have.length(1);
    expect(await query('SELECT 1 FROM mortise.recoveries')).to.have.length(1);
  });

  it('of one that is gone is read once more when its last fan-out is over', async () => {
    const first = await join();
    const id = await install(first.store);
    await publish(first.store);
    const unblock = await blockFanOut();
    const late = fanOut(first);
    await untilBlocked();
    // What happens to one that stands still for longer than its share runs.
    await query('DELETE FROM mortise.replicas');
    const second = await join();
    expect(second.share.size).to.equal(BUCKETS);
    expect(second.lanes).to.deep.equal([]);
    await sleep(700);
    expect(second.found).to.deep.equal([]);
    await unblock();
    expect(installationsOf((await late).owed)).to.deep.equal([id]);
    await until(() => second.found.length > 0, 'the second to look once more');
    expect(second.found[0]!.map(({ installationId }) => installationId)).to.deep.equal([id]);
  });

  it('of one that is gone is not fanned out by it any more', async () => {
    const first = await join();
    await install(first.store);
    await publish(first.store);
    await query('DELETE FROM mortise.replicas');
    expect(await fanOut(first)).to.deep.equal({ owed: [], events: 0, isHolding: false });
    expect(await query('SELECT 1 FROM mortise.outbox')).to.have.length(1);
  });

  it('is handed over after a fan-out that relies on it: the next finds what it has made due', async () => {
    const first = await join();
    const ids = await Promise.all(Array.from({ length: 12 }, () => install(first.store)));
    await publish(first.store);
    const unblock = await blockFanOut();
    const pass = fanOut(first);
    await untilBlocked();
    const second = await join();
    await sleep(1_200);
    expect(second.share.size).to.equal(0);
    await unblock();
    expect((await pass).owed).to.have.length(ids.length);
    await untilShared(128, 128);
    const theirs = ids.filter((id) => second.share.includes(id)).sort();
    expect(theirs.length).to.be.greaterThan(0);
    expect(second.lanes.map(({ installationId }) => installationId).sort()).to.deep.equal(theirs);
  });

  it('is counted by one of them, whoever owes and ends what, while it changes hands', async () => {
    const inTable = async () => {
      const rows = await query<{ n: number }>('SELECT count(*)::int AS n FROM mortise.deliveries');
      return rows[0]!.n;
    };
    const counted = () => replicas.reduce((sum, { owed }) => sum + owed, 0);
    const first = await join();
    const ids = await Promise.all(Array.from({ length: 10 }, () => install(first.store)));
    await publish(first.store);
    const { owed } = await fanOut(first);
    expect([counted(), await inTable()]).to.deep.equal([10, 10]);
    const second = await join();
    await untilShared(128, 128);
    expect([counted(), await inTable()]).to.deep.equal([10, 10]);
    expect(second.owed).to.equal(ids.filter((id) => second.share.includes(id)).length);
    // Word is left, and not taken yet, when more changes hands.
    for (const replica of replicas) {
      await publish(replica.store);
      await fanOut(replica);
    }
    await join();
    await untilShared(86, 86, 84);
    for (const { share } of replicas) await share.lookForWork();
    expect([counted(), await inTable()]).to.deep.equal([30, 30]);
    // What the first has sent before it handed over is ended by it, and counted by the next.
    const attempts = owed.map((delivery) => attemptRecord(delivery));
    await first.store.deliveries.record({ attempts });
    for (const { share } of replicas) await share.lookForWork();
    expect([counted(), await inTable()]).to.deep.equal([20, 20]);
    for (const { share } of replicas.slice(0, 2)) await share.release();
    await until(() => replicas[2]!.share.size === BUCKETS, 'the last to have all');
    await replicas[2]!.share.lookForWork();
    expect(replicas[2]!.owed).to.equal(20);
  });

  it('is written of by who has it: how an endpoint fares elsewhere it does not know', async () => {
    const first = await join();
    const second = await join();
    await untilShared(128, 128);
    const ids = await installForEach();
    const states = ids.map((installationId) => ({
      installationId,
      failures: 3,
      failingSince: 1,
      probes: 0,
      openUntil: null,
      silentUntil: null,
      pausedAt: null,
    }));
    await first.store.deliveries.record({ attempts: [], lanes: states });
    const rows = await query<{ id: string }>(
      'SELECT installation_id AS id FROM mortise.lane_states ORDER BY id',
    );
    expect(rows.map(({ id }) => id)).to.deep.equal(
      ids.filter((id) => first.share.includes(id)).sort(),
    );
    await second.share.release();
  });
});

const ids = new Map<number, string>();

/** An id whose bucket it is. */
function idIn(bucket: number): string {
  while (!ids.has(bucket)) {
    const id = newId();
    ids.set(bucketOf(id), id);
  }
  return ids.get(bucket)!;
}

function installationsOf(owed: OwedDelivery[]): string[] {
  return owed.map(({ installationId }) => installationId).sort();
}
