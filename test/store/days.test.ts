// Days as tables in a SQLite file. Seen red: the file that stops growing, with rows deleted by no one (drop left out);
// the rollback, with a day taken for made as soon as it is; the other process, with its statements kept.
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { expect } from 'chai';
import type { EventRow } from '../../src/store/rows.ts';
import { openSqlite } from '../../src/store/sqlite/open.ts';
import type { Store } from '../../src/store/store.ts';
import { eventRow } from '../helpers/event-row.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';

const DAY = 24 * 3_600_000;
/** After the days that opening makes, which are today's. */
const FIRST = Math.floor(Date.now() / DAY) * DAY + 10 * DAY;
const RETENTION = { events: 4 * DAY, attempts: 4 * DAY };

function event(createdAt: number, own: Partial<EventRow> = {}): EventRow {
  return eventRow({ createdAt, payload: Buffer.alloc(2_000, 'x'), ...own });
}

describe('a SQLite file, day after day', () => {
  let file: string;
  let store: Store;
  const others: { close(): unknown }[] = [];

  beforeEach(() => {
    file = join(temporaryFolder(), 'mortise.db');
    store = openSqlite(file);
  });
  afterEach(async () => {
    for (const other of others.splice(0)) await other.close();
    await store.close();
  });

  function handle(): Database.Database {
    const db = new Database(file);
    db.pragma('synchronous = FULL');
    others.push(db);
    return db;
  }

  function second(): Store {
    const other = openSqlite(file);
    others.push(other);
    return other;
  }

  const count = async (rows: EventRow[], by = store) =>
    (await Promise.all(rows.map(({ id }) => by.events.find(id)))).filter(Boolean).length;

  it('grows no more once days are let go: their pages are used again', async () => {
    const look = handle();
    const pages: number[] = [];
    const published: EventRow[] = [];
    for (let day = 0; day < 12; day++) {
      const now = FIRST + day * DAY;
      await store.engine.turnDays(now, RETENTION);
      const events = Array.from({ length: 200 }, (_, i) => event(now + i));
      published.push(...events);
      await store.events.publish(events);
      while ((await store.events.fanOut(256, now, DAY)).events > 0);
      pages.push(look.pragma('page_count', { simple: true }) as number);
    }
    // What was full after five days and their morrow is enough for the rest.
    expect(pages.at(-1)! / pages[6]!).to.be.below(1.02);
    expect(pages[5]! / pages[0]!).to.be.above(2);
    expect(await count(published)).to.equal(5 * 200);
    expect(look.pragma('integrity_check', { simple: true })).to.equal('ok');
  });

  it('makes a day again when the transaction that made it is rolled back', async () => {
    const db = handle();
    const [lost, kept, own] = [event(FIRST), event(FIRST), event(FIRST)];
    const within = (row: EventRow, work = () => {}) =>
      db
        .transaction(() => {
          store.events.publishWithin(db, [row]);
          work();
        })
        .immediate();
    expect(() =>
      within(lost, () => {
        throw new Error('the product changed its mind');
      }),
    ).to.throw('changed its mind');
    within(kept);
    await store.events.publish([own]);
    expect(await count([lost, kept, own])).to.equal(2);
  });

  it('makes a day again when one write of a group fails', async () => {
    const keyed = (body: string) =>
      event(FIRST, {
        idempotency: { key: 'k', bodyHash: Buffer.from(body), expiresAt: FIRST + 7 * DAY },
      });
    const rows = [keyed('a'), keyed('b'), event(FIRST)];
    const results = await Promise.allSettled(rows.map((row) => store.events.publish([row])));
    expect(results.map(({ status }) => status)).to.deep.equal([
      'fulfilled',
      'rejected',
      'fulfilled',
    ]);
    expect(await count(rows)).to.equal(2);
  });

  it('takes what a product’s own handle publishes before and after midnight in one transaction', async () => {
    const db = handle();
    const rows = [event(FIRST - 1), event(FIRST)];
    db.transaction(() => store.events.publishWithin(db, rows)).immediate();
    expect(await count(rows)).to.equal(2);
    const pass = await store.events.fanOut(10, FIRST, DAY);
    expect(pass.events).to.equal(2);
    const tables = db
      .prepare(`SELECT name FROM sqlite_schema WHERE type = 'table' AND name GLOB 'events_2*'`)
      .pluck()
      .all() as string[];
    const names = [FIRST - 1, FIRST].map(
      (at) => `events_${new Date(at).toISOString().slice(0, 10).replaceAll('-', '')}`,
    );
    expect(tables).to.include.members(names);
  });

  it('is shared by two processes that come to midnight together', async () => {
    const other = second();
    const rows = [event(FIRST), event(FIRST), event(FIRST + 1), event(FIRST + 1)];
    await Promise.all([
      store.events.publish([rows[0]!]),
      other.events.publish([rows[1]!]),
      store.engine.turnDays(FIRST, RETENTION),
      other.engine.turnDays(FIRST, RETENTION),
      store.events.publish([rows[2]!]),
      other.events.publish([rows[3]!]),
    ]);
    expect(await count(rows)).to.equal(4);
    expect(await count(rows, other)).to.equal(4);
  });

  it('forgets a day for a process that had read it, when another lets it go', async () => {
    const other = second();
    const old = event(FIRST);
    await store.events.publish([old]);
    await other.engine.turnDays(FIRST, RETENTION);
    const at = { eventSeq: 1, eventAt: FIRST };
    expect((await other.events.findOwed(at))?.id).to.equal(old.id);
    expect(await count([old], other)).to.equal(1);
    await store.engine.turnDays(FIRST + 5 * DAY, RETENTION);
    expect(await count([old], other)).to.equal(0);
    expect(await other.events.findOwed(at)).to.equal(undefined);
  });
});
