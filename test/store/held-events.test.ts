// Events that wait in the outbox while everybody who is told of them has enough in hand. Seen red: with nothing held; with
// held ones never asked for again; with one for somebody idle held with the others; with those for somebody late held on;
// with what follows those sent before them; with what is held not counted as owed; with a replay that takes them for never
// owed; with places kept of what is gone.
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import type Database from 'better-sqlite3';
import { expect } from 'chai';
import type { Share } from '../../src/store/engine-store.ts';
import type { OwedDelivery } from '../../src/store/rows.ts';
import type { HandedOut } from '../../src/store/sqlite/handed-out.ts';
import { HeldEvents } from '../../src/store/sqlite/held-events.ts';
import { openSqlite } from '../../src/store/sqlite/open.ts';
import type { Store } from '../../src/store/store.ts';
import { attemptRecord } from '../helpers/attempt-record.ts';
import { eventRow } from '../helpers/event-row.ts';
import { EVERYTHING } from '../helpers/everything.ts';
import { IDLE_SENDER } from '../helpers/idle-sender.ts';
import { openSendingStore } from '../helpers/sending-store.ts';
import { subscribe } from '../helpers/subscribe.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';
import { until } from '../helpers/until.ts';

const HOUR = 3_600_000;
/** In hand of all together, from where on events are held. */
const ENOUGH = 4_096;
const EVENTS = 3_000;

describe('an event that is held back', () => {
  let file: string;
  let store: Store;
  let share: Share;
  let beside: Database.Database;
  let owed: number;

  beforeEach(async () => {
    owed = 0;
    const observer = {
      committed() {},
      synced() {},
      owed: (count: number) => {
        owed += count;
      },
      ended: (count: number) => {
        owed -= count;
      },
    };
    ({ file, store, share, beside } = await openSendingStore(observer));
  });
  afterEach(async () => {
    beside.close();
    await share.release();
    await store.close();
  });

  const count = (table: string) => beside.prepare(`SELECT COUNT(*) FROM ${table}`).pluck().get();

  /** Passes until one finds nothing to do. */
  async function handOut(): Promise<{ owed: OwedDelivery[]; isHolding: boolean }> {
    const handed: OwedDelivery[] = [];
    for (;;) {
      const pass = await store.events.fanOut(256, Date.now(), HOUR);
      handed.push(...pass.owed);
      if (pass.events === 0) return { owed: handed, isHolding: pass.isHolding };
    }
  }

  async function publish(events: number): Promise<string[]> {
    const rows = Array.from({ length: events }, () => eventRow());
    await store.events.publish(rows);
    return rows.map(({ id }) => id);
  }

  const end = (deliveries: OwedDelivery[]) =>
    store.deliveries.record({ attempts: deliveries.map((delivery) => attemptRecord(delivery)) });

  const of = (installation: string, deliveries: OwedDelivery[]) =>
    deliveries.filter(({ installationId }) => installationId === installation);

  const eventsOf = (deliveries: OwedDelivery[]) => deliveries.map(({ eventId }) => eventId);

  it('makes no row, and comes in its turn when what was in hand has ended', async () => {
    const ids = await publish(EVENTS);
    let { owed: inHand, isHolding } = await handOut();
    expect(inHand).to.have.length(ENOUGH);
    expect(isHolding).to.equal(true);
    const told = { a: eventsOf(of('a', inHand)), b: eventsOf(of('b', inHand)) };
    for (let rounds = 0; isHolding || inHand.length > 0; rounds++) {
      expect(rounds).to.be.below(100);
      await end(inHand.splice(0, 500));
      const next = await handOut();
      isHolding = next.isHolding;
      inHand.push(...next.owed);
      told.a.push(...eventsOf(of('a', next.owed)));
      told.b.push(...eventsOf(of('b', next.owed)));
      expect(inHand.length).to.be.at.most(ENOUGH + 500);
    }
    expect(told).to.deep.equal({ a: ids, b: ids });
    await store.deliveries.lanes();
    expect([count('deliveries'), count('outbox'), owed]).to.deep.equal([0, 0, 0]);
  });

  it('does not wait for the slowest of those who are told of it', async () => {
    await publish(EVENTS);
    const { owed: inHand } = await handOut();
    await end(of('a', inHand));
    const { owed: more } = await handOut();
    expect(of('a', more).length).to.be.above(500);
    expect(eventsOf(of('b', more))).to.deep.equal(eventsOf(of('a', more)));
  });

  it('keeps nobody waiting who has little in hand', async () => {
    await publish(EVENTS);
    await handOut();
    subscribe(beside, 'c', 'repo:fork');
    beside.exec(`INSERT INTO subscriptions (context, event_type, installation_id, webhook_id, since, since_seq)
      VALUES ('acme', 'repo:fork', 'a', 'a', 1, -1)`);
    await store.events.publish([eventRow({ type: 'repo:fork' })]);
    const { owed: next } = await handOut();
    expect(next.map(({ installationId }) => installationId)).to.deep.equal(['a', 'c']);
  });

  it('is counted as owed', async () => {
    await publish(EVENTS);
    await handOut();
    expect(owed).to.equal(2 * EVENTS);
  });

  it('is explained as one that the fan-out has not come to', async () => {
    const ids = await publish(EVENTS);
    await handOut();
    const isAhead = async (id: string) => {
      const event = (await store.events.find(id))!;
      const facts = await store.explanations.facts(event, ['a', 'b']);
      return facts.map(({ isFanOutAhead }) => isFanOutAhead);
    };
    expect(await isAhead(ids.at(-1)!)).to.deep.equal([true, true]);
    expect(await isAhead(ids[0]!)).to.deep.equal([false, false]);
  });

  it('is sent by whoever comes after a kill, with what was in hand', async () => {
    const ids = await publish(EVENTS);
    const { owed: inHand } = await handOut();
    await end(inHand.slice(0, 1_000));
    const copy = join(temporaryFolder(), 'mortise.db');
    for (const part of ['', '-wal']) copyFileSync(file + part, copy + part);
    const next = openSqlite(copy);
    try {
      while ((await next.events.fanOut(256, Date.now(), HOUR)).events > 0);
      const { due } = await next.deliveries.window('a', Date.now() + HOUR, 10_000);
      const ended = eventsOf(of('a', inHand.slice(0, 1_000)));
      expect(eventsOf(due)).to.deep.equal(ids.filter((id) => !ended.includes(id)));
    } finally {
      await next.close();
    }
  });

  it('is handed on by a host that stops', async () => {
    await publish(EVENTS);
    await handOut();
    await share.release();
    expect([count('deliveries'), count('outbox')]).to.deep.equal([ENOUGH, EVENTS - ENOUGH / 2]);
    share = (await store.engine.tryShare())!;
    await share.start(IDLE_SENDER);
    await handOut();
    expect([count('deliveries'), count('outbox')]).to.deep.equal([2 * EVENTS, 0]);
  });

  it('gets rows if the installation does not come to what it has, and so does what follows', async () => {
    const ids = await publish(4 * EVENTS);
    await handOut();
    await until(() => count('deliveries') === ENOUGH, 'rows of what is in hand', 10_000);
    ids.push(...(await publish(1)));
    const { owed: late, isHolding } = await handOut();
    expect(isHolding).to.equal(false);
    expect(eventsOf(of('a', late))).to.deep.equal(ids.slice(ENOUGH / 2));
    expect([count('deliveries'), count('outbox')]).to.deep.equal([2 * ids.length, 0]);
    expect(owed).to.equal(2 * ids.length);
  });

  it('is not taken by a replay of what was never owed', async () => {
    await publish(EVENTS);
    await handOut();
    const what = { ...EVERYTHING, until: Date.now() + HOUR };
    const found = { count: 0, owed: 0 };
    let cursor: string | null = null;
    do {
      const page = await store.replays.count(what, cursor);
      found.count += page.count;
      found.owed += page.skippedOwed;
      cursor = page.cursor;
    } while (cursor !== null);
    expect(found).to.deep.equal({ count: 0, owed: 2 * EVENTS });
  });

  it('is told to nobody who has gone meanwhile', async () => {
    await publish(EVENTS);
    const { owed: inHand } = await handOut();
    beside.exec(`DELETE FROM subscriptions WHERE installation_id = 'b'`);
    await end(inHand);
    const { owed: next, isHolding } = await handOut();
    expect(new Set(next.map(({ installationId }) => installationId))).to.deep.equal(new Set(['a']));
    expect(next).to.have.length(EVENTS - ENOUGH / 2);
    expect(isHolding).to.equal(false);
    expect(owed).to.equal(next.length);
  });
});

describe('the lines of held events', () => {
  it('have room for as long as not too many wait, however many have passed', () => {
    let count = 4_096;
    const held = new HeldEvents({ countOf: () => count, lanes: 1 } as unknown as HandedOut);
    held.add(0, [['a', 'a']]);
    for (let seq = 1; seq < 1_200_000; seq++) {
      if (!held.mayAdd([['a', 'a']])) expect.fail(`no room for number ${seq}`);
      held.add(seq, [['a', 'a']]);
      count = 0;
      const { value: first } = held.wanted().next();
      if (first !== seq - 1) expect.fail(`${first} after ${seq - 2}`);
      held.take(seq - 1);
      count = 4_096;
    }
  });
});
