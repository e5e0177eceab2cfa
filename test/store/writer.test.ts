// Seen red: without the roll-back to the savepoint of a write that fails; with a busy timeout of two seconds.
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { expect } from 'chai';
import { openSqlite } from '../../src/store/sqlite/open.ts';
import { Writer } from '../../src/store/sqlite/writer.ts';
import type { Store } from '../../src/store/store.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';

describe('a group commit', () => {
  let db: Database.Database;
  let writer: Writer;
  const begun: string[] = [];

  beforeEach(() => {
    begun.length = 0;
    db = new Database(':memory:', { verbose: (sql) => begun.push(String(sql)) });
    db.exec('CREATE TABLE notes (text TEXT PRIMARY KEY)');
    writer = new Writer(db);
  });
  afterEach(() => db.close());

  const notes = () => db.prepare('SELECT text FROM notes ORDER BY text').pluck().all();
  const note = (text: string) =>
    writer.write(() => {
      db.prepare('INSERT INTO notes VALUES (?)').run(text);
      return text;
    });

  it('is one transaction for all that are asked for in one turn, each with its own answer', async () => {
    const answers = await Promise.all(['a', 'b', 'c'].map(note));
    expect(answers).to.deep.equal(['a', 'b', 'c']);
    expect(begun.filter((sql) => sql === 'BEGIN IMMEDIATE')).to.have.length(1);
    expect(begun.filter((sql) => sql === 'COMMIT')).to.have.length(1);
  });

  it('loses one that fails, and nothing else', async () => {
    const results = await Promise.allSettled([
      note('a'),
      writer.write(() => {
        db.prepare('INSERT INTO notes VALUES (?)').run('half');
        throw new Error('changed its mind');
      }),
      note('b'),
      note('a'),
      note('c'),
    ]);
    expect(results.map(({ status }) => status)).to.deep.equal([
      'fulfilled',
      'rejected',
      'fulfilled',
      'rejected',
      'fulfilled',
    ]);
    expect((results[1] as PromiseRejectedResult).reason.message).to.equal('changed its mind');
    expect((results[3] as PromiseRejectedResult).reason.code).to.equal(
      'SQLITE_CONSTRAINT_PRIMARYKEY',
    );
    expect(notes()).to.deep.equal(['a', 'b', 'c']);
    expect(db.inTransaction).to.equal(false);
  });

  it('tells nobody of success when the transaction as a whole is lost', async () => {
    const results = await Promise.allSettled([
      note('a'),
      // What SQLite does by itself on a full disk.
      writer.write(() => {
        db.exec('ROLLBACK');
        throw new Error('disk full');
      }),
      note('b'),
    ]);
    expect(results.map(({ status }) => status)).to.deep.equal(['rejected', 'rejected', 'rejected']);
    expect(notes()).to.deep.equal([]);
    await note('later');
    expect(notes()).to.deep.equal(['later']);
  });

  it('answers after the commit, not before', async () => {
    let wasInTransaction: boolean | undefined;
    await note('a').then(() => {
      wasInTransaction = db.inTransaction;
    });
    expect(wasInTransaction).to.equal(false);
    expect(begun.at(-1)).to.equal('COMMIT');
  });

  it('takes more than one transaction for very many, in their order', async () => {
    const texts = Array.from({ length: 1_300 }, (_, i) => String(i).padStart(4, '0'));
    await Promise.all(texts.map(note));
    expect(notes()).to.deep.equal(texts);
    expect(begun.filter((sql) => sql === 'COMMIT').length).to.be.within(2, 10);
  });

  it('is drained to the last write', async () => {
    const written = ['a', 'b'].map(note);
    await writer.drain();
    expect(notes()).to.deep.equal(['a', 'b']);
    await Promise.all(written);
  });
});

describe('a write while another connection holds the lock', () => {
  let file: string;
  let store: Store;
  let other: Database.Database;

  beforeEach(() => {
    file = join(temporaryFolder(), 'mortise.db');
    store = openSqlite(file);
    other = new Database(file);
  });
  afterEach(async () => {
    other.close();
    await store.close();
  });

  /** The longest time that nothing else could run. */
  async function longestStall(work: () => Promise<unknown>): Promise<number> {
    let last = performance.now();
    let longest = 0;
    const look = () => {
      const now = performance.now();
      longest = Math.max(longest, now - last);
      last = now;
    };
    const timer = setInterval(look, 1);
    await work();
    look();
    clearInterval(timer);
    return longest;
  }

  it('waits without stopping the event loop, and succeeds afterwards', async () => {
    await store.installations.rememberPlatform('before');
    other.exec('BEGIN IMMEDIATE');
    other.exec("UPDATE settings SET value = 'theirs'");
    const started = performance.now();
    let wrote: number | undefined;
    const stall = await longestStall(async () => {
      const writes = ['ours', 'and ours'].map((digest) =>
        store.installations.rememberPlatform(digest),
      );
      setTimeout(() => other.exec('COMMIT'), 300);
      await Promise.all(writes);
      wrote = performance.now() - started;
    });
    expect(wrote).to.be.within(295, 1_000);
    expect(stall).to.be.lessThan(60);
    expect(await store.installations.isPlatformKnown('and ours')).to.equal(true);
  });

  it('does not keep reads waiting', async () => {
    await store.installations.rememberPlatform('before');
    other.exec('BEGIN IMMEDIATE');
    other.exec("UPDATE settings SET value = 'theirs'");
    const write = store.installations.rememberPlatform('ours');
    expect(await store.installations.isPlatformKnown('before')).to.equal(true);
    other.exec('ROLLBACK');
    await write;
  });

  it('is refused after ten seconds with a sentence, and is not made later', async () => {
    other.exec('BEGIN IMMEDIATE');
    const write = store.installations.rememberPlatform('ours');
    const now = Date.now;
    Date.now = () => now() + 11_000;
    try {
      const error = await write.then(
        () => undefined,
        (reason) => reason,
      );
      expect(error).to.include({ code: 'store_busy', status: 503 });
      expect(error.message).to.match(/for more than 10 s, so nothing was written/);
    } finally {
      Date.now = now;
    }
    other.exec('COMMIT');
    await store.installKeys.list();
    expect(await store.installations.isPlatformKnown('ours')).to.equal(false);
  });

  it('is written before the store closes', async () => {
    other.exec('BEGIN IMMEDIATE');
    const write = store.installations.rememberPlatform('ours');
    setTimeout(() => other.exec('COMMIT'), 50);
    await store.close();
    await write;
    expect(other.prepare('SELECT value FROM settings').pluck().all()).to.deep.equal(['ours']);
    store = openSqlite(file);
  });
});
