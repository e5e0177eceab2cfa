// Who is told of an event, remembered. Seen red: with nothing forgotten when this connection changes it, when another one
// does; with the version of the file looked at once; with what begins later told of everything; with contexts
// and resources run together; with too many cut off.
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { expect } from 'chai';
import { openSqlite } from '../../src/store/sqlite/open.ts';
import { Subscribers } from '../../src/store/sqlite/subscribers.ts';
import type { Store } from '../../src/store/store.ts';
import { subscribe } from '../helpers/subscribe.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';

const PUSH = { seq: 10, type: 'repo:push', context: 'acme', resource: null };

describe('the subscribers of an event', () => {
  let store: Store;
  let db: Database.Database;
  let beside: Database.Database;
  let subscribers: Subscribers;
  let asked: number;

  beforeEach(() => {
    const file = join(temporaryFolder(), 'mortise.db');
    store = openSqlite(file);
    const verbose = (text: unknown) => {
      if (String(text).includes('FROM subscriptions')) asked++;
    };
    db = new Database(file, { verbose });
    beside = new Database(file);
    subscribe(beside, 'a');
    subscribers = new Subscribers(db);
    asked = 0;
  });
  afterEach(async () => {
    for (const each of [db, beside]) each.close();
    await store.close();
  });

  const told = (event = PUSH) => {
    subscribers.refresh();
    return subscribers.of(event)?.map(([installationId]) => installationId);
  };

  const CHANGES = {
    'are more': [`UPDATE subscriptions SET event_type = 'repo:push'`, ['a', 'b']],
    'are fewer': [`DELETE FROM subscriptions WHERE installation_id = 'a'`, []],
    'are granted fewer resources': [`UPDATE installations SET all_resources = 0`, []],
  } as const;
  for (const [name, [change, then]] of Object.entries(CHANGES)) {
    for (const who of ['this', 'another'] as const) {
      it(`${name}: ${who} connection has changed them`, () => {
        subscribe(beside, 'b', 'repo:fork');
        expect(told()).to.deep.equal(['a']);
        (who === 'this' ? db : beside).exec(change);
        expect(told()).to.deep.equal(then);
      });
    }
  }

  it('are asked for once, for all events of a kind, while nobody writes', () => {
    for (let seq = 1; seq <= 100; seq++) expect(told({ ...PUSH, seq })).to.deep.equal(['a']);
    expect(asked).to.equal(1);
  });

  it('are those of before, where a change is rolled back', () => {
    expect(told()).to.deep.equal(['a']);
    db.exec('BEGIN; DELETE FROM subscriptions; ROLLBACK');
    expect(told()).to.deep.equal(['a']);
  });

  it('are told of what was published after they subscribed', () => {
    beside.exec('UPDATE subscriptions SET since_seq = 10');
    expect(told()).to.deep.equal([]);
    expect(told({ ...PUSH, seq: 11 })).to.deep.equal(['a']);
  });

  it('are told of the resources they were granted, from then on', () => {
    beside.exec('UPDATE installations SET all_resources = 0');
    expect(told({ ...PUSH, resource: 'x' } as never)).to.deep.equal([]);
    const grant = `INSERT INTO granted_resources (installation_id, resource, since, since_seq) VALUES ('a', 'x', 1, 10)`;
    db.exec(grant);
    const of = (seq: number, resource: string | null) => told({ ...PUSH, seq, resource } as never);
    expect([of(10, 'x'), of(11, 'x'), of(11, 'y'), of(11, null)]).to.deep.equal([
      [],
      ['a'],
      [],
      [],
    ]);
    db.exec('UPDATE granted_resources SET since_seq = 20');
    expect(of(11, 'x')).to.deep.equal([]);
    db.exec('DELETE FROM granted_resources');
    expect(of(30, 'x')).to.deep.equal([]);
  });

  it('of everything, with a resource that was granted before that, are told from the earlier one on', () => {
    beside.exec(`UPDATE installations SET all_resources = 1, all_resources_since_seq = 20`);
    beside.exec(
      `INSERT INTO granted_resources (installation_id, resource, since, since_seq) VALUES ('a', 'x', 1, 5)`,
    );
    const of = (seq: number, resource: string) => told({ ...PUSH, seq, resource } as never);
    expect([of(5, 'x'), of(6, 'x'), of(20, 'y'), of(21, 'y')]).to.deep.equal([
      [],
      ['a'],
      [],
      ['a'],
    ]);
  });

  it('of one context are not those of another whose name looks like it', () => {
    db.exec(`UPDATE installations SET all_resources = 0`);
    db.exec(
      `INSERT INTO granted_resources (installation_id, resource, since, since_seq) VALUES ('a', 'b c', 1, 1)`,
    );
    const of = (context: string, resource: string | null) =>
      told({ ...PUSH, context, resource } as never);
    for (const [context, resource] of [
      ['acme b', 'c'],
      ['acme b c', null],
      ['acm', 'e b c'],
    ] as const)
      expect(of(context, resource)).to.deep.equal([]);
    expect(of('acme', 'b c')).to.deep.equal(['a']);
  });

  it('that are more than a chunk has are not named', () => {
    for (let i = 0; i < 500; i++) subscribe(beside, `of many ${i}`);
    expect(told()).to.equal(undefined);
    beside.exec(`DELETE FROM subscriptions WHERE installation_id = 'a'`);
    expect(told()).to.have.length(500);
  });
});
