// The time of the database, told without asking. The machine's own clock is wrong here by hours.
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import type { Sql } from 'sql-template-tag';
import { Database } from '../../src/store/postgres/database.ts';
import { DatabaseClock } from '../../src/store/postgres/database-clock.ts';
import type { Queries } from '../../src/store/postgres/queries.ts';
import { migratedDatabase } from '../helpers/postgres.ts';
import { makeClockSettable, setDatabaseClock } from '../helpers/set-database-clock.ts';
import { until } from '../helpers/until.ts';

const HOUR = 3_600_000;
/** What a loaded machine adds to a question. */
const NEAR_MS = 100;

describe('the clock of a store on PostgreSQL', () => {
  const realNow = Date.now;
  let url: string;
  let db: Database;
  let clock: DatabaseClock;
  /** Of every answer on its way back. */
  let delayMs: number;
  let asked: number;

  beforeEach(async () => {
    url = await migratedDatabase();
    await makeClockSettable(url);
    db = new Database(url);
    delayMs = asked = 0;
    const slow = {
      get: async <T>(sql: Sql) => {
        asked++;
        const row = await db.get<T>(sql);
        await sleep(delayMs);
        return row;
      },
    };
    clock = new DatabaseClock(slow as Queries);
  });
  afterEach(async () => {
    Date.now = realNow;
    clock.close();
    await db.close();
  });

  const setMachineClock = (offsetMs: number) => {
    Date.now = () => realNow() + offsetMs;
  };
  const expectOffBy = (ms: number) => expect(clock.now() - realNow()).to.be.closeTo(ms, NEAR_MS);

  it('is the database’s, whatever the machine’s says, and asks for it in its own time', async () => {
    setMachineClock(-HOUR);
    await clock.ready();
    expectOffBy(0);
    await sleep(NEAR_MS);
    const before = asked;
    for (let i = 0; i < 1_000; i++) clock.now();
    expectOffBy(0);
    expect(asked).to.equal(before);
    expect(Number.isInteger(clock.now())).to.equal(true);
  });

  it('goes on by itself when the machine’s is set, and looks at once whether the database’s was set too', async () => {
    await clock.ready();
    setMachineClock(HOUR);
    const before = asked;
    expectOffBy(0);
    await until(() => asked > before, 'a look', 1_000);
    await setDatabaseClock(url, HOUR);
    setMachineClock(2 * HOUR);
    clock.now();
    await until(() => clock.now() - realNow() > HOUR / 2, 'it to follow', 1_000);
    expectOffBy(HOUR);
  });

  it('follows a database whose clock is set, or another that takes its place, within seconds', async function () {
    this.timeout(15_000);
    await clock.ready();
    // Of a server that answers slowly, too.
    delayMs = NEAR_MS;
    await setDatabaseClock(url, -HOUR);
    const off = () => clock.now() - realNow();
    await until(() => Math.abs(off() + HOUR) < NEAR_MS, 'it to follow', 10_000);
  });

  it('believes the answer that came quickest, and is not moved by a slow one', async () => {
    await clock.ready();
    delayMs = 1_000;
    const before = asked;
    setMachineClock(HOUR);
    clock.now();
    await until(() => asked > before, 'a look');
    await sleep(delayMs + NEAR_MS);
    expectOffBy(0);
  });

  it('is the machine’s until the database has answered, and asks it then', async () => {
    setMachineClock(HOUR);
    expectOffBy(HOUR);
    await until(() => asked === 3, 'the first looks');
    await clock.ready();
    expectOffBy(0);
  });
});
