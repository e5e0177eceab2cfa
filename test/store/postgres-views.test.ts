// What is read of long logs on PostgreSQL: every page reads a bounded number of rows, and nothing is missed for that.
import { expect } from 'chai';
import sql, { raw, type Sql } from 'sql-template-tag';
import { newId } from '../../src/core/ids.ts';
import { Database } from '../../src/store/postgres/database.ts';
import { endsNewestFirst, endsOldestFirst } from '../../src/store/postgres/ended-deliveries.ts';
import { openPostgres } from '../../src/store/postgres/open.ts';
import type { NewReplay, ReplayRow } from '../../src/store/replay-rows.ts';
import type { DeliveryFilter } from '../../src/store/rows.ts';
import type { Store } from '../../src/store/store.ts';
import { migratedDatabase } from '../helpers/postgres.ts';

const T = Date.UTC(2026, 0, 31, 12);
const DAY = 24 * 3_600_000;
/** More than one page reads, of the list and of a replay. */
const MANY = 52_000;

describe('long logs on PostgreSQL', function () {
  this.timeout(60_000);
  let db: Database;
  let store: Store;

  before(async () => {
    const url = await migratedDatabase();
    db = new Database(url);
    store = openPostgres(url);
    await db.run(sql`CREATE TABLE mortise.events_test PARTITION OF mortise.events
      FOR VALUES FROM (0) TO (9000000000000)`);
    await db.run(sql`CREATE TABLE mortise.attempts_test PARTITION OF mortise.attempts
      FOR VALUES FROM (0) TO (9000000000000)`);
    for (const id of ['one', 'two']) {
      await db.run(sql`INSERT INTO mortise.installations
          (id, addon_key, context, client_key, oauth_client_id, state, created_at, updated_at)
        VALUES (${id}, ${id}, 'acme', ${id}, ${id}, 'enabled', 0, 0)`);
    }
    await db.run(sql`INSERT INTO mortise.events (seq, id, type, context, payload, created_at)
      SELECT n, 'event ' || n, 'repo:push', 'acme', '{}', ${T}::bigint + n FROM generate_series(1, ${MANY}) n`);
    // One webhook of installation one was told of each; the first event's failed, and was told to two as well.
    await db.run(ended(sql`CASE n WHEN 1 THEN 'failed' ELSE 'delivered' END`, 'one', MANY));
    await db.run(ended(sql`'failed'`, 'two', 1));
    for (const [table, column] of [
      ['events', 'type'],
      ['attempts', 'event_type'],
    ] as const) {
      const id = raw(table === 'events' ? 'id' : 'event_id');
      await db.run(
        sql`UPDATE mortise.${raw(table)} SET ${raw(column)} = 'rare' WHERE ${id} = ${`event ${MANY}`}`,
      );
    }
    await db.run(sql`ANALYZE mortise.attempts, mortise.events`);
  });
  after(async () => {
    await store.close();
    await db.close();
  });

  function ended(outcome: Sql, installation: string, count: number): Sql {
    // As derivedIdAt makes them: the time, and the rest.
    return sql`INSERT INTO mortise.attempts (delivery_id, number, at, duration_ms, outcome, url, installation_id,
        webhook_id, event_id, event_type, event_at)
      SELECT substr(lpad(to_hex(${T}::bigint + n), 12, '0'), 1, 8) || '-' || substr(lpad(to_hex(${T}::bigint + n), 12, '0'), 9)
          || '-8000-8000-' || ${installation}, 1, ${T}::bigint + n, 5, ${outcome}, 'https://addon.example', ${installation},
        'hook', 'event ' || n, 'repo:push', ${T}::bigint + n FROM generate_series(1, ${count}) n`;
  }

  async function pages(filter: Partial<DeliveryFilter>) {
    const found: { ids: string[]; next: string | null }[] = [];
    for (let after: string | undefined; ; ) {
      const { items, next } = await store.deliveries.list({ limit: 10_000, after, ...filter });
      found.push({ ids: items.map(({ id }) => id), next });
      if (next === null) return found;
      after = next;
    }
  }

  it('are listed whole, no delivery twice', async () => {
    const ids = (await pages({})).flatMap((page) => page.ids);
    expect(ids).to.have.length(MANY + 1);
    expect(new Set(ids)).to.have.length(MANY + 1);
    expect(ids).to.deep.equal([...ids].sort().reverse());
  });

  it('end a page that finds little, which says where to go on', async () => {
    const found = await pages({ state: 'failed', limit: 5 });
    expect(found.map(({ ids }) => ids.length)).to.deep.equal([0, 2]);
    expect((await pages({ state: 'failed', installationId: 'one' })).at(-1)!.ids).to.have.length(1);
    expect(await pages({ state: 'failed', installationId: 'two' })).to.have.length(1);
  });

  it('are never read from end to end', async () => {
    const between = { above: '', below: '~', event: null };
    for (const installation of [null, 'one']) {
      for (const ends of [endsNewestFirst, endsOldestFirst]) {
        const query = sql`SELECT * FROM ${ends({ ...between, installation }, 5_000)} e LIMIT 50`;
        const plan = JSON.stringify(await db.all(sql`EXPLAIN (FORMAT JSON) ${query}`));
        expect(plan).to.match(/"Index Name":"attempts_test/);
        expect(plan).not.to.match(/Seq Scan|"Node Type":"Sort"/);
      }
    }
  });

  function replayOf(own: Partial<NewReplay>): NewReplay {
    return {
      id: newId(),
      deliveryId: null,
      installationId: null,
      eventType: null,
      eventId: null,
      since: null,
      until: T + DAY,
      outcomes: ['failed'],
      allowed: 'then-and-now',
      createdAt: T,
      newIds: false,
      perSecond: 50,
      total: 0,
      alreadyDelivered: 0,
      ...own,
    };
  }

  async function counted(own: Partial<NewReplay>): Promise<{ count: number; pages: number }> {
    let count = 0;
    for (let [cursor, pages] = [null as string | null, 1]; ; pages++) {
      const page = await store.replays.count(replayOf(own), cursor);
      count += page.count;
      if (page.cursor === null) return { count, pages };
      cursor = page.cursor;
    }
  }

  it('are replayed page by page, though little of them is asked for', async () => {
    expect((await counted({})).count).to.equal(2);
    const rare = await counted({ eventType: 'rare', outcomes: ['delivered'] });
    expect(rare.count).to.equal(1);
    expect(rare.pages).to.be.within(5, 20);
  });

  it('are looked through for what was never owed, page by page', async () => {
    await db.run(sql`INSERT INTO mortise.subscriptions (context, event_type, installation_id, webhook_id, since)
      VALUES ('acme', 'repo:push', 'two', 'hook', ${T}), ('acme', 'rare', 'two', 'hook', ${T})`);
    const own = { allowed: 'now', outcomes: [], installationId: 'two' } as const;
    expect((await counted({ ...own, outcomes: [] })).count).to.equal(MANY);
    const rare = await counted({ ...own, outcomes: [], eventType: 'rare' });
    expect(rare.count).to.equal(1);
    expect(rare.pages).to.be.above(10);
    const { count } = await counted({ ...own, outcomes: [], since: T + 100, until: T + 199 });
    expect(count).to.equal(100);
  });

  it('are looked through from the first again where SQLite’s order was another', async () => {
    const replay = replayOf({ allowed: 'now', installationId: 'two', until: T + 10 });
    for (const [day, first] of [
      ['20260131', 1],
      ['', 9],
    ]) {
      await store.replays.create({ ...replay, id: newId() });
      const [{ id }] = (await store.replays.list({ limit: 1 })) as [ReplayRow];
      const cursor = JSON.stringify(['events', day, 9, '', '']);
      await db.run(sql`UPDATE mortise.replays SET cursor = ${cursor} WHERE id = ${id}`);
      await store.replays.advance(id, { most: 100, now: T, expiresAfterMs: DAY });
      const owed = await db.get<{ seq: number }>(
        sql`SELECT min(event_seq) AS seq FROM mortise.deliveries`,
      );
      expect(owed!.seq).to.equal(first);
      await db.run(sql`DELETE FROM mortise.deliveries`);
      await store.replays.cancel(id, T);
    }
  });

  it('are replayed once, though two replays give new ids to the same', async () => {
    const own = { newIds: true, outcomes: ['delivered'], until: T + 60 } as const;
    const both = [newId(), newId()];
    for (const id of both) {
      await store.replays.create(replayOf({ ...own, outcomes: ['delivered'], id }));
    }
    await Promise.all(
      both.map(async (id) => {
        const chunk = { most: 5, now: T, expiresAfterMs: DAY };
        while (!(await store.replays.advance(id, chunk))!.isOver);
      }),
    );
    const owed = await db.all(sql`SELECT id FROM mortise.deliveries`);
    expect(owed).to.have.length(59);
    const rows = await Promise.all(both.map((id) => store.replays.find(id)));
    expect(rows.map((row) => row!.done + row!.skippedOwed)).to.deep.equal([59, 59]);
    expect(rows[0]!.done + rows[1]!.done).to.equal(59);
  });

  it('are looked through in the time that a page takes, however many are told of each event', async () => {
    await db.run(sql`INSERT INTO mortise.installations
        (id, addon_key, context, client_key, oauth_client_id, state, created_at, updated_at)
      SELECT 'i' || n, 'i' || n, 'acme', 'i' || n, 'i' || n, 'enabled', 0, 0 FROM generate_series(1, 3000) n`);
    // Nobody has counted the rows yet: the planner has to guess.
    await db.run(sql`INSERT INTO mortise.subscriptions (context, event_type, installation_id, webhook_id, since)
      SELECT 'acme', 'repo:push', 'i' || n, 'hook', ${T} FROM generate_series(1, 3000) n`);
    const { count, pages } = await counted({ allowed: 'now', outcomes: [], until: T + 3 });
    expect(count).to.equal(3 * 3_001);
    expect(pages).to.be.above(18);
  }).timeout(10_000);
});

describe('a snapshot', () => {
  it('is of one moment, whatever is committed meanwhile', async () => {
    const db = new Database(await migratedDatabase());
    const count = sql`SELECT count(*) AS n FROM mortise.deactivated_users`;
    try {
      const seen = await db.snapshot(async (tx) => {
        const first = await tx.get<{ n: number }>(count);
        await db.run(sql`INSERT INTO mortise.deactivated_users VALUES ('zoe', 1)`);
        return [first, await tx.get(count)];
      });
      expect(seen).to.deep.equal([{ n: 0 }, { n: 0 }]);
      expect(await db.get(count)).to.deep.equal({ n: 1 });
    } finally {
      await db.close();
    }
  });
});
