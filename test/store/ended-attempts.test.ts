// What ended deliveries of one installation, beside the log of a day. Seen red: with the newest attempts left out; with
// those of a batch told twice; with the batch taken for written though its transaction was not; with the table kept.
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { expect } from 'chai';
import { derivedIdAt } from '../../src/core/ids.ts';
import type { AttemptRecord } from '../../src/store/rows.ts';
import { attemptTables, insertAttempt } from '../../src/store/sqlite/attempt-tables.ts';
import { migrate } from '../../src/store/sqlite/migrate.ts';
import { openSqlite } from '../../src/store/sqlite/open.ts';
import { attemptRecord } from '../helpers/attempt-record.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';

const DAY = 24 * 3_600_000;
const INSTALLATIONS = ['a', 'b', 'c'];
/** More than two batches, and some that are in none. */
const MANY = 2_500;
const ALL = {
  installation: 'b',
  type: null,
  event: null,
  state: null,
  after: '',
  above: '',
  below: '~',
  limit: MANY,
};

function delivered(i: number, at: number): AttemptRecord {
  const installationId = INSTALLATIONS[i % INSTALLATIONS.length]!;
  const delivery = {
    id: derivedIdAt(at, `event ${i}`, installationId, 'webhook'),
    installationId,
    webhookId: 'webhook',
    eventSeq: i,
    eventId: `event ${i}`,
    eventType: 'repo:push',
    eventAt: at,
    orderingKey: null,
    replayId: null,
    allowed: null,
    attempts: 0,
    dueAt: at,
    expiresAt: at + DAY,
  };
  return attemptRecord(delivery, { at });
}

describe('the attempts that ended deliveries of an installation', () => {
  let file: string;
  let db: Database.Database;
  const now = Date.now();

  beforeEach(() => {
    file = join(temporaryFolder(), 'mortise.db');
    db = new Database(file);
    migrate(db);
    for (const id of INSTALLATIONS) {
      db.prepare(
        `INSERT INTO installations (id, addon_key, context, client_key, oauth_client_id, state, created_at, updated_at)
         VALUES (@id, @id, 'acme', @id, @id, 'enabled', 1, 1)`,
      ).run({ id });
    }
  });
  afterEach(() => db.close());

  function insert(tables: ReturnType<typeof attemptTables>, records: AttemptRecord[]): void {
    db.transaction(() => {
      for (const record of records) insertAttempt(tables, record);
    })();
  }
  const batched = () =>
    db
      .prepare(`SELECT COUNT(*) FROM ${endedNames()[0]} WHERE installation_id <> ''`)
      .pluck()
      .get() as number;
  const endedNames = () =>
    db
      .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name GLOB 'ended_*'")
      .pluck()
      .all() as string[];

  it('are told each once, in the order of their deliveries, whether their batch is written or not', () => {
    const tables = attemptTables(db);
    const records = Array.from({ length: MANY }, (_, i) => delivered(i, now - (i % 97)));
    // Not ends: a try that failed, and an end that another followed.
    const [first, second] = [records[1]!, records[4]!];
    const retry = { ...first, outcome: 'retry' as const, number: 0 };
    insert(tables, [retry, { ...second, outcome: 'failed' }, ...records]);
    expect(batched()).to.be.within(1_024, 2_048);
    const expected = records
      .filter(({ delivery }) => delivery.installationId === 'b')
      .map(({ delivery }) => delivery.id)
      .sort();
    const { ends, ofInstallation } = tables.at(now);
    expect(ends.all(ALL).map(({ id }) => id)).to.deep.equal(expected);
    expect(ofInstallation.all(ALL).map(({ id }) => id)).to.deep.equal(expected.toReversed());
    const [below, after] = [expected[500]!, expected[490]!];
    const page = expected.slice(491, 500);
    expect(ends.all({ ...ALL, after, below }).map(({ id }) => id)).to.deep.equal(page);
    const newest = ofInstallation.all({ ...ALL, below, limit: 3 }).map(({ id }) => id);
    expect(newest).to.deep.equal(expected.slice(497, 500).toReversed());
  });

  it('are all told after a batch was rolled back', () => {
    const tables = attemptTables(db);
    const records = Array.from({ length: 1_100 }, (_, i) => delivered(i, now));
    tables.makeAhead(now);
    expect(() =>
      db.transaction(() => {
        for (const record of records) insertAttempt(tables, record);
        throw new Error('undone');
      })(),
    ).to.throw('undone');
    insert(tables, records);
    insert(
      tables,
      Array.from({ length: 1_100 }, (_, i) => delivered(2_000 + i, now)),
    );
    expect(tables.at(now).ends.all(ALL)).to.have.length(367 + 366);
    expect(batched()).to.be.at.least(1_024);
  });

  it('go with their day', async () => {
    db.close();
    const store = openSqlite(file);
    db = new Database(file);
    const before = endedNames();
    // Day 0, today, and tomorrow.
    expect(before).to.have.length(3);
    await store.engine.turnDays(now + 10 * DAY, { events: DAY, attempts: DAY });
    expect(endedNames()).to.have.length(2);
    for (const name of before) expect(endedNames()).not.to.include(name);
    await store.close();
  });

  it('are found in a file of a version that kept an index of them', async () => {
    const tables = attemptTables(db);
    insert(
      tables,
      Array.from({ length: 30 }, (_, i) => delivered(i, now)),
    );
    const [ended] = endedNames();
    const attempts = ended!.replace('ended_', '');
    db.exec(`DROP TABLE ${ended};
      CREATE INDEX ${attempts}_ended ON ${attempts} (installation_id, delivery_id) WHERE outcome <> 'retry'`);
    db.close();
    const store = openSqlite(file);
    const page = await store.deliveries.list({ installationId: 'b', limit: 50 });
    expect(page.items).to.have.length(10);
    await store.close();
    db = new Database(file);
    expect(
      db.prepare('SELECT name FROM sqlite_schema WHERE name = ?').get(`${attempts}_ended`),
    ).to.equal(undefined);
  });
});
