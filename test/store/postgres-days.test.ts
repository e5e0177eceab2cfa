// Days as partitions: made where they are missing, dropped whole, and nobody waits for either.
//
// Seen red: partitions made with CREATE TABLE … PARTITION OF; a day that stays known after it was dropped; a drop that
// waits; no lock around the making.
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import pg from 'pg';
import { Database } from '../../src/store/postgres/database.ts';
import { Days } from '../../src/store/postgres/days.ts';
import { openPostgres } from '../../src/store/postgres/open.ts';
import type { Store } from '../../src/store/store.ts';
import { eventRow } from '../helpers/event-row.ts';
import { asOwner, migratedDatabase } from '../helpers/postgres.ts';

const DAY = 24 * 3_600_000;
const T = Date.UTC(2026, 0, 31, 12);
const RETENTION = { events: 7 * DAY, attempts: 30 * DAY };

describe('days on PostgreSQL', () => {
  let url: string;
  let store: Store;
  let replica: Store;

  beforeEach(async () => {
    url = await migratedDatabase();
    store = openPostgres(url);
    replica = openPostgres(url);
  });
  afterEach(async () => {
    await store.close();
    await replica.close();
  });

  const partitions = async (table: string) => {
    const rows = await asOwner<{ name: string }>(
      `SELECT c.relname AS name FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid WHERE inhparent = $1::regclass ORDER BY 1`,
      [`mortise.${table}`],
      url,
    );
    return rows.map(({ name }) => name);
  };

  /** A transaction in which something was published, and which is still open. */
  async function openTransaction(): Promise<pg.Client> {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    await client.query('BEGIN');
    await store.events.publishWithin(client, [eventRow({ createdAt: T })]);
    return client;
  }

  it('are made ahead, for today and tomorrow', async () => {
    await store.engine.turnDays(T, RETENTION);
    expect(await partitions('events')).to.deep.equal(['events_20260131', 'events_20260201']);
    expect(await partitions('attempts')).to.deep.equal(['attempts_20260131', 'attempts_20260201']);
  });

  it('that are missing are made once, by whoever publishes first', async () => {
    const rows = Array.from({ length: 12 }, (_, i) => eventRow({ createdAt: T + (i % 3) * DAY }));
    await Promise.all(rows.map((row, i) => (i % 2 ? store : replica).events.publish([row])));
    for (const { id } of rows) expect((await store.events.find(id))?.id).to.equal(id);
    expect(await partitions('events')).to.have.length(3);
  });

  it('are made once by many who miss them at once', async () => {
    const db = new Database(url);
    try {
      for (let day = 0; day < 10; day++) {
        const all = Array.from({ length: 8 }, () => new Days(db, 'events'));
        await Promise.all(all.map((days) => days.ensure([T + day * DAY])));
      }
    } finally {
      await db.close();
    }
    expect(await partitions('events')).to.have.length(10);
  });

  it('that another process has dropped are made again', async () => {
    await store.events.publish([eventRow({ createdAt: T })]);
    await replica.engine.turnDays(T + 30 * DAY, RETENTION);
    const late = eventRow({ createdAt: T });
    await store.events.publish([late]);
    expect((await store.events.find(late.id))?.id).to.equal(late.id);
  });

  it('are made while the product keeps a transaction open, and others go on publishing', async () => {
    const client = await openTransaction();
    try {
      const next = eventRow({ createdAt: T + DAY });
      await Promise.race([
        store.events.publish([next]),
        sleep(2_000).then(() => {
          throw new Error('It waits for the product.');
        }),
      ]);
      expect((await store.events.find(next.id))?.id).to.equal(next.id);
    } finally {
      await client.end();
    }
  });

  it('are dropped another time when the product keeps a transaction open, and publishing is not held up', async function () {
    this.timeout(30_000);
    await store.events.publish([eventRow({ createdAt: T - 20 * DAY })]);
    const client = await openTransaction();
    try {
      const turn = replica.engine.turnDays(T, RETENTION);
      let isOver = false;
      void turn.then(() => {
        isOver = true;
      });
      let longest = 0;
      while (!isOver) {
        const began = performance.now();
        await store.events.publish([eventRow({ createdAt: T })]);
        longest = Math.max(longest, performance.now() - began);
        await sleep(5);
      }
      expect(await turn).to.deep.equal([]);
      expect(longest).to.be.lessThan(1_000);
    } finally {
      await client.end();
    }
    expect(await replica.engine.turnDays(T, RETENTION)).to.deep.equal([
      { kind: 'events', day: '20260111' },
    ]);
  });
});
