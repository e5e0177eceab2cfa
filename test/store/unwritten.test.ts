// Deliveries that are handed out without a row. Seen red: with the log not asked when a killed process's outbox is fanned
// out; with the log not asked when rows are made late; with outbox rows deleted when they are handed out; with what a
// rolled-back transaction ended forgotten; without rows for what is tried again; without the timer.
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import type Database from 'better-sqlite3';
import { expect } from 'chai';
import { newId } from '../../src/core/ids.ts';
import type { Share } from '../../src/store/engine-store.ts';
import type { OwedDelivery } from '../../src/store/rows.ts';
import { openSqliteCopySource } from '../../src/store/sqlite/copy-source.ts';
import { openSqlite } from '../../src/store/sqlite/open.ts';
import type { Store } from '../../src/store/store.ts';
import { wellLane } from '../../src/webhooks/health.ts';
import { attemptRecord } from '../helpers/attempt-record.ts';
import { eventRow } from '../helpers/event-row.ts';
import { EVERYTHING } from '../helpers/everything.ts';
import { openSendingStore } from '../helpers/sending-store.ts';
import { subscribe } from '../helpers/subscribe.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';
import { until } from '../helpers/until.ts';

const HOUR = 3_600_000;
describe('a delivery without a row', () => {
  let file: string;
  let store: Store;
  let share: Share;
  let beside: Database.Database;

  beforeEach(async () => {
    ({ file, store, share, beside } = await openSendingStore());
  });
  afterEach(async () => {
    beside.close();
    await share.release();
    await store.close();
  });

  const count = (table: string) => beside.prepare(`SELECT COUNT(*) FROM ${table}`).pluck().get();

  async function handOut(events = 1): Promise<OwedDelivery[]> {
    await store.events.publish(Array.from({ length: events }, () => eventRow()));
    return (await store.events.fanOut(256, Date.now(), HOUR)).owed;
  }

  const ended = (delivery: OwedDelivery) =>
    store.deliveries.record({ attempts: [attemptRecord(delivery)] });

  /** The file as a process leaves it that is killed now. */
  function afterAKill(): string {
    const copy = join(temporaryFolder(), 'mortise.db');
    for (const end of ['', '-wal']) copyFileSync(file + end, copy + end);
    return copy;
  }

  it('that ends never has one; its event leaves the outbox with the next record', async () => {
    const owed = await handOut(2);
    expect(owed).to.have.length(4);
    expect([count('deliveries'), count('outbox')]).to.deep.equal([0, 2]);
    for (const delivery of owed) await ended(delivery);
    const [other] = await handOut();
    await ended(other!);
    expect([count('deliveries'), count('outbox')]).to.deep.equal([0, 1]);
  });

  it('is made again after a kill, unless the log has its end', async () => {
    const [first, second, third, fourth] = await handOut(2);
    await ended(first!);
    const failed = attemptRecord(fourth!, { outcome: 'retry', nextDueAt: Date.now() + HOUR });
    await store.deliveries.record({ attempts: [failed] });
    const next = openSqlite(afterAKill());
    try {
      const { owed } = await next.events.fanOut(256, Date.now(), HOUR);
      expect(owed.map(({ id }) => id).sort()).to.deep.equal([second!.id, third!.id].sort());
      expect((await next.deliveries.find(fourth!.id))?.attempts).to.equal(1);
      expect((await next.deliveries.find(first!.id))?.state).to.equal('delivered');
      expect((await next.events.fanOut(256, Date.now(), HOUR)).events).to.equal(0);
    } finally {
      await next.close();
    }
  });

  it('that ended is not made by what makes rows of all in the same transaction', async () => {
    const [first, second] = await handOut();
    const windowOf = (delivery: OwedDelivery) =>
      store.deliveries.window(delivery.installationId, Date.now(), 10);
    await Promise.all([ended(first!), windowOf(first!)]);
    await Promise.all([windowOf(second!), ended(second!)]);
    await store.deliveries.lanes();
    expect([count('deliveries'), count('outbox')]).to.deep.equal([0, 0]);
  });

  it('ends with the others of its installation', async () => {
    await handOut();
    const because = { reason: 'not_installed', message: 'It is gone.', at: Date.now() };
    expect(await store.deliveries.endUnsent('a', because, {}, 10)).to.equal(1);
    const { items } = await store.deliveries.list({ limit: 10 });
    const told = items.map(({ installationId, state }) => `${installationId} ${state}`);
    expect(told.sort()).to.deep.equal(['a dropped', 'b pending']);
  });

  it('that is tried again has one', async () => {
    const [first] = await handOut();
    const nextDueAt = Date.now() + HOUR;
    await store.deliveries.record({
      attempts: [attemptRecord(first!, { outcome: 'retry', nextDueAt })],
    });
    const { due, nextDueAt: next } = await store.deliveries.window('a', Date.now(), 10);
    expect(due).to.deep.equal([]);
    expect(next).to.equal(nextDueAt);
  });

  it('comes back after a probe that failed', async () => {
    const [first] = await handOut();
    const probe = attemptRecord(first!, { outcome: 'retry', isProbe: true, nextDueAt: null });
    await store.deliveries.record({ attempts: [probe] });
    const { due } = await store.deliveries.window('a', Date.now(), 10);
    expect(due.map(({ id }) => id)).to.deep.equal([first!.id]);
  });

  it('whose end is rolled back has not ended', async () => {
    const [first] = await handOut();
    beside.exec(
      `CREATE TRIGGER full BEFORE DELETE ON lane_states BEGIN SELECT RAISE(ABORT, 'full'); END;
       CREATE TRIGGER full_too BEFORE INSERT ON lane_states BEGIN SELECT RAISE(ABORT, 'full'); END`,
    );
    const lanes = [{ ...wellLane('a'), failures: 1 }];
    const failing = store.deliveries.record({ attempts: [attemptRecord(first!)], lanes });
    expect(await failing.catch((error) => error.message)).to.match(/full/);
    const { due } = await store.deliveries.window('a', Date.now(), 10);
    expect(due.map(({ id }) => id)).to.deep.equal([first!.id]);
  });

  it('is not owed again by a replay of all that was never owed', async () => {
    const owed = await handOut();
    // As one who has subscribed anew meanwhile: of the outbox alone, it would not be told.
    beside.exec('UPDATE subscriptions SET since_seq = 999');
    const replay = { ...EVERYTHING, id: newId(), createdAt: Date.now(), until: Date.now() + HOUR };
    await store.replays.create(replay);
    const options = { most: 10, now: Date.now(), expiresAfterMs: HOUR };
    let done = 0;
    for (let isOver = false; !isOver; ) {
      const chunk = (await store.replays.advance(replay.id, options))!;
      done += chunk.done;
      isOver = chunk.isOver;
    }
    expect(done).to.equal(0);
    for (const delivery of owed) await ended(delivery);
    expect(count('deliveries')).to.equal(0);
  });

  it('is not of an order, nor of an event that many are told of', async () => {
    await store.events.publish([eventRow({ orderingKey: 'branch' })]);
    await store.events.fanOut(256, Date.now(), HOUR);
    expect([count('deliveries'), count('outbox')]).to.deep.equal([2, 0]);
    for (let i = 0; i < 500; i++) subscribe(beside, `of many ${i}`);
    await store.events.publish([eventRow()]);
    const { owed } = await store.events.fanOut(256, Date.now(), HOUR);
    expect(count('deliveries')).to.equal(2 + owed.length);
  });

  it('has one before long, for who reads the file', async () => {
    await handOut();
    await until(() => count('deliveries') === 2, 'the rows', 6_000);
    await until(() => count('outbox') === 0, 'the end of the outbox row', 6_000);
  });

  it('has one when another may send', async () => {
    await handOut();
    await share.release();
    expect([count('deliveries'), count('outbox')]).to.deep.equal([2, 0]);
  });

  it('cannot be copied to another store after a kill', async () => {
    const [first] = await handOut(2);
    await ended(first!);
    const killed = afterAKill();
    expect(() => openSqliteCopySource(killed)).to.throw(/would send some of them twice/);
    const next = openSqlite(killed);
    while ((await next.events.fanOut(256, Date.now(), HOUR)).events > 0);
    await next.close();
    openSqliteCopySource(killed).close();
  });
});
