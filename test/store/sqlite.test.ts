import { join } from 'node:path';
import Database from 'better-sqlite3';
import { expect } from 'chai';
import { openSqlite } from '../../src/store/sqlite/open.ts';
import type { Store } from '../../src/store/store.ts';
import { eventRow } from '../helpers/event-row.ts';
import { IDLE_SENDER } from '../helpers/idle-sender.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';
import { type OpenedStore, storeConformance } from './conformance.ts';

storeConformance('the SQLite store', () => onFile(openSqlite));

// What it has handed out has no row, and nobody may tell.
storeConformance('a SQLite store that sends', () =>
  onFile(async (file) => {
    const store = openSqlite(file);
    const share = (await store.engine.tryShare())!;
    await share.start(IDLE_SENDER);
    return {
      ...store,
      async close() {
        await share.release();
        await store.close();
      },
    };
  }),
);

async function onFile(open: (file: string) => Store | Promise<Store>): Promise<OpenedStore> {
  const file = join(temporaryFolder(), 'mortise.db');
  let store = await open(file);
  return {
    get store() {
      return store;
    },
    async reopen() {
      await store.close();
      store = await open(file);
    },
    close: () => store.close(),
  };
}

describe('a SQLite file', () => {
  let folder: string;
  let file: string;
  let store: Store;
  const handles: Database.Database[] = [];

  function handle(path = file): Database.Database {
    const db = new Database(path);
    handles.push(db);
    return db;
  }

  beforeEach(() => {
    folder = temporaryFolder();
    file = join(folder, 'below', 'mortise.db');
    store = openSqlite(file);
  });
  afterEach(async () => {
    for (const db of handles.splice(0)) db.close();
    await store.close();
  });

  it('publishes in the product’s own transaction, if that commits', async () => {
    const db = handle();
    db.pragma('synchronous = FULL');
    const [kept, lost] = [eventRow(), eventRow()];
    db.transaction(() => store.events.publishWithin(db, [kept])).immediate();
    try {
      db.transaction(() => {
        store.events.publishWithin(db, [lost]);
        throw new Error('the product changed its mind');
      }).immediate();
    } catch {}
    expect(await store.events.find(kept.id)).to.deep.equal(kept);
    expect(await store.events.find(lost.id)).to.equal(undefined);
    expect((await store.events.fanOut(64, Date.now(), 1)).events).to.equal(1);
  });

  const unusable: [why: string, use: (publish: (handle: unknown) => void) => void][] = [
    ['no transaction is open on it', (publish) => publish(handle())],
    [
      'it is open on another file',
      (publish) => {
        const db = handle(join(folder, 'other.db'));
        db.transaction(() => publish(db)).immediate();
      },
    ],
    [
      'its commits are not durable',
      (publish) => {
        const db = handle();
        db.pragma('synchronous = NORMAL');
        db.transaction(() => publish(db)).immediate();
      },
    ],
    ['it is no database handle', (publish) => publish({ query: () => undefined })],
  ];
  for (const [why, use] of unusable) {
    it(`refuses a transaction because ${why}`, async () => {
      const row = eventRow();
      expect(() => use((db) => store.events.publishWithin(db, [row])))
        .to.throw(/cannot join/)
        .with.property('code', 'transaction_unusable');
      expect(await store.events.find(row.id)).to.equal(undefined);
    });
  }

  it('lets one process run the engine, and another when that one lets go', async () => {
    const second = openSqlite(file);
    try {
      const lock = await store.engine.tryLock();
      expect(lock).not.to.equal(undefined);
      expect(await second.engine.tryLock()).to.equal(undefined);
      await lock!.release();
      const next = await second.engine.tryLock();
      expect(next).not.to.equal(undefined);
      await next!.release();
    } finally {
      await second.close();
    }
  });

  it('notices what another connection commits, once, and not what it commits itself', async () => {
    const second = openSqlite(file);
    try {
      await store.engine.hasForeignChanges();
      await store.events.publish([eventRow()]);
      expect(await store.engine.hasForeignChanges()).to.equal(false);
      await second.events.publish([eventRow()]);
      expect(await store.engine.hasForeignChanges()).to.equal(true);
      expect(await store.engine.hasForeignChanges()).to.equal(false);
    } finally {
      await second.close();
    }
  });

  it('that cannot be opened says so', () => {
    expect(() => openSqlite(folder))
      .to.throw(/cannot be opened/)
      .with.property('code', 'database_unusable');
  });
});
