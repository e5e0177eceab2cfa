// What whoever runs the engine asks PostgreSQL again and again: whether others have left it something to do.
//
// Seen red: all that is owed counted; the look at it with every question; more than is looked at taken for no change.
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { openPostgres } from '../../src/store/postgres/open.ts';
import type { Store } from '../../src/store/store.ts';
import { asOwner, migratedDatabase } from '../helpers/postgres.ts';
import { installIn } from '../helpers/postgres-installation.ts';

const OWED = 5_000;
/** Longer than from one look at what is owed to the next. */
const NEXT_LOOK_MS = 300;

describe('what others have done on PostgreSQL', () => {
  let url: string;
  let store: Store;
  let id: string;

  beforeEach(async () => {
    url = await migratedDatabase();
    store = openPostgres(url);
    id = (await installIn(store)).id;
  });
  afterEach(() => store.close());

  const owe = (from: number, to: number) =>
    asOwner(
      `INSERT INTO mortise.lifecycle_calls (id, installation_id, kind, state, due_at, created_at)
       SELECT 'call ' || n, $1, 'enabled', 'owed', 0, 0 FROM generate_series($2::int, $3::int) n`,
      [id, from, to],
      url,
    );
  const hasChanges = async () => {
    await sleep(NEXT_LOOK_MS);
    return store.engine.hasForeignChanges();
  };

  it('is noticed when it comes and when it goes, once', async () => {
    await store.engine.hasForeignChanges();
    expect(await hasChanges()).to.equal(false);
    await owe(1, 2);
    expect([await hasChanges(), await hasChanges()]).to.deep.equal([true, false]);
    await store.lifecycle.drop('call 1');
    expect([await hasChanges(), await hasChanges()]).to.deep.equal([true, false]);
  });

  it('costs little to ask for, however much is owed, and is not missed among it', async () => {
    await owe(1, OWED);
    await asOwner('ANALYZE mortise.lifecycle_calls', [], url);
    for (let i = 0; i < 50; i++) await store.engine.hasForeignChanges();
    await store.lifecycle.drop('call 1');
    expect(await hasChanges()).to.equal(true);
    // What a connection has read it says when it ends.
    await store.close();
    store = openPostgres(url);
    const [read] = await asOwner<{ rows: string }>(
      `SELECT sum(idx_tup_read) + (SELECT seq_tup_read FROM pg_stat_user_tables WHERE relname = 'lifecycle_calls') AS rows
       FROM pg_stat_user_indexes WHERE relname = 'lifecycle_calls'`,
      [],
      url,
    );
    // ANALYZE is not counted; dropping one by its id is.
    expect(Number(read!.rows)).to.be.within(100, 1_000);
  });
});
