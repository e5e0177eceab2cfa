// Seen red: with the transaction begun when the first read is asked for; without rejecting a group whose transaction
// does not begin.
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { expect } from 'chai';
import { Reader } from '../../src/store/sqlite/reader.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';

describe('a group read', () => {
  let db: Database.Database;
  let other: Database.Database;
  let reader: Reader;
  const said: string[] = [];

  beforeEach(() => {
    const file = join(temporaryFolder(), 'notes.db');
    other = new Database(file);
    other.pragma('journal_mode = WAL');
    other.exec('CREATE TABLE notes (text TEXT PRIMARY KEY)');
    db = new Database(file, { verbose: (sql) => said.push(String(sql)) });
    reader = new Reader(db);
    said.length = 0;
  });
  afterEach(() => {
    db.close();
    other.close();
  });

  const notes = () => db.prepare('SELECT text FROM notes ORDER BY text').pluck().all();
  const note = (text: string) => other.prepare('INSERT INTO notes VALUES (?)').run(text);

  it('is one transaction for all that are asked for in one turn', async () => {
    note('a');
    const answers = await Promise.all([notes, notes, notes].map((work) => reader.read(work)));
    expect(answers).to.deep.equal([['a'], ['a'], ['a']]);
    expect(said.filter((sql) => sql === 'BEGIN')).to.have.length(1);
    expect(said.filter((sql) => sql === 'COMMIT')).to.have.length(1);
    expect(db.inTransaction).to.equal(false);
  });

  it('of one is its own statement and nothing else', async () => {
    await reader.read(notes);
    expect(said).to.have.length(1);
  });

  it('sees what another connection committed before the last of them was asked for', async () => {
    const first = reader.read(notes);
    note('between');
    const second = reader.read(notes);
    expect(await first).to.deep.equal(['between']);
    expect(await second).to.deep.equal(['between']);
    note('after');
    expect(await reader.read(notes)).to.deep.equal(['after', 'between']);
  });

  it('loses one that fails, and nothing else', async () => {
    const results = await Promise.allSettled([
      reader.read(notes),
      reader.read(() => {
        throw new Error('unreadable');
      }),
      reader.read(notes),
    ]);
    expect(results.map(({ status }) => status)).to.deep.equal([
      'fulfilled',
      'rejected',
      'fulfilled',
    ]);
    expect(db.inTransaction).to.equal(false);
  });

  it('that cannot begin rejects all of them', async () => {
    const reads = [reader.read(notes), reader.read(notes)];
    db.close();
    const results = await Promise.allSettled(reads);
    expect(results.map(({ status }) => status)).to.deep.equal(['rejected', 'rejected']);
  });

  it('answers what is queued before it is drained', async () => {
    note('a');
    const reads = Promise.all([reader.read(notes), reader.read(notes)]);
    await reader.drain();
    db.close();
    expect(await reads).to.deep.equal([['a'], ['a']]);
  });
});
