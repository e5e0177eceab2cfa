// What the gate of SQLite remembers of epochs. Seen red: with nothing forgotten when one moved, or is gone; with what was
// not there yet remembered.
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { expect } from 'chai';
import type { GateStore } from '../../src/store/delivery-store.ts';
import { gateStore } from '../../src/store/sqlite/gate.ts';
import { MOMENT_MS } from '../../src/store/sqlite/moment.ts';
import { openSqlite } from '../../src/store/sqlite/open.ts';
import type { Store } from '../../src/store/store.ts';
import { subscribe } from '../helpers/subscribe.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';

describe('the gate of SQLite', () => {
  let store: Store;
  let db: Database.Database;
  let beside: Database.Database;
  let gate: GateStore;
  let asked: string[];

  beforeEach(() => {
    const file = join(temporaryFolder(), 'mortise.db');
    store = openSqlite(file);
    beside = new Database(file);
    for (const id of ['a', 'b']) subscribe(beside, id);
    asked = [];
    db = new Database(file, { readonly: true, verbose: (text) => asked.push(String(text)) });
    gate = gateStore(db);
  });
  afterEach(async () => {
    for (const each of [db, beside]) each.close();
    await store.close();
  });

  const aMomentLater = () => wait(2 * MOMENT_MS + 1);
  const epochs = () => asked.filter((text) => text.startsWith('SELECT epoch')).length;

  it('asks for an epoch once, as long as none moves', async () => {
    for (let i = 0; i < 5; i++) {
      expect([gate.isCurrent('a', 1), gate.isCurrent('b', 1)]).to.deep.equal([true, true]);
      await aMomentLater();
    }
    expect(epochs()).to.equal(2);
  });

  it('sees that one has moved, whoever moved it', async () => {
    expect([gate.isCurrent('a', 1), gate.isCurrent('b', 1)]).to.deep.equal([true, true]);
    beside.exec(`UPDATE installations SET epoch = epoch + 1 WHERE id = 'a'`);
    await aMomentLater();
    const seen = [gate.isCurrent('a', 1), gate.isCurrent('a', 2), gate.isCurrent('b', 1)];
    expect(seen).to.deep.equal([false, true, true]);
  });

  it('sees that one is gone', async () => {
    expect(gate.isCurrent('a', 1)).to.equal(true);
    beside.exec(`DELETE FROM subscriptions; DELETE FROM installations WHERE id = 'a'`);
    await aMomentLater();
    expect(gate.isCurrent('a', 1)).to.equal(false);
  });

  it('sees one that came after it was asked for', async () => {
    expect(gate.isCurrent('c', 1)).to.equal(false);
    subscribe(beside, 'c');
    await aMomentLater();
    expect(gate.isCurrent('c', 1)).to.equal(true);
  });
});
