// Seen red: with durable writes answered at the commit; with a gate's change answered when it is on the disk; with what failed to
// sync answered as written; with events read over the gate's connection; without the thread that copies the log.
import { statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import Database from 'better-sqlite3';
import { expect } from 'chai';
import type { Disk } from '../../src/store/sqlite/disk.ts';
import { MOMENT_MS } from '../../src/store/sqlite/moment.ts';
import { openSqlite } from '../../src/store/sqlite/open.ts';
import { openSqliteForAttempts } from '../../src/store/sqlite/open-for-attempts.ts';
import { type Until, Writer } from '../../src/store/sqlite/writer.ts';
import { eventRow } from '../helpers/event-row.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';

const event = (bytes = 2) =>
  eventRow({ payload: Buffer.from(JSON.stringify('x'.repeat(bytes - 2))) });

describe('a write and the disk', () => {
  let db: Database.Database;
  let syncs: { done(): void; fail(error: Error): void }[];
  let settled: (() => void)[];
  let writer: Writer;

  beforeEach(() => {
    db = new Database(':memory:');
    db.exec('CREATE TABLE notes (text TEXT)');
    syncs = [];
    const disk = {
      sync: () =>
        new Promise<void>((done, fail) => {
          syncs.push({ done, fail });
        }),
      committed() {},
    };
    settled = [];
    const settle = () => new Promise<void>((done) => void settled.push(done));
    writer = new Writer(db, { disk: disk as unknown as Disk, settle });
  });
  afterEach(() => db.close());

  const note = (until: Until) =>
    writer.write(() => db.prepare("INSERT INTO notes VALUES ('a')").run(), until);
  const untilSynced = async (count: number) => {
    while (syncs.length < count) await new Promise((resolve) => setImmediate(resolve));
  };

  it('is answered at the commit where it may be done again, otherwise when the disk has it', async () => {
    const answered: Until[] = [];
    const all = (['committed', 'durable'] as const).map((until) =>
      note(until).then(() => answered.push(until)),
    );
    await untilSynced(1);
    await wait(5);
    expect(answered).to.deep.equal(['committed']);
    expect(db.inTransaction).to.equal(false);
    syncs[0]!.done();
    await Promise.all(all);
    expect(answered).to.deep.equal(['committed', 'durable']);
    expect(settled).to.deep.equal([]);
  });

  it('that changes what the gate looks at is answered when nobody looks at what was before', async () => {
    const longestMoment = MOMENT_MS;
    let measured = 0;
    for (let i = 0; i < 20; i++) {
      let beganAt = 0;
      let committedAt = Number.POSITIVE_INFINITY;
      let isAnswered = false;
      const written = writer
        .write(() => {
          writer.gateChanges();
          beganAt = performance.now();
          queueMicrotask(() => {
            committedAt = performance.now();
          });
        })
        .then(() => {
          isAnswered = true;
        });
      await untilSynced(i + 1);
      expect(settled).to.have.length(i);
      syncs[i]!.done();
      if (i === 0) await wait(3);
      while (settled.length <= i) await new Promise((resolve) => setImmediate(resolve));
      expect(isAnswered, 'before the threads have said so').to.equal(false);
      settled[i]!();
      await written;
      const answeredAt = performance.now();
      // Where the machine had something else to do meanwhile, when it was committed is not known.
      if (committedAt - beganAt > longestMoment / 2) continue;
      measured++;
      expect(answeredAt - beganAt).to.be.above(longestMoment);
    }
    expect(measured).to.be.above(0);
  });

  it('is no change for the gate because one before it was', async () => {
    const change = writer.write(() => writer.gateChanges());
    await untilSynced(1);
    syncs[0]!.done();
    await wait(1);
    settled[0]!();
    await change;
    const other = note('durable');
    await untilSynced(2);
    syncs[1]!.done();
    await other;
    expect(settled).to.have.length(1);
  });

  it('shares the sync after one that has begun, which may not have it', async () => {
    const first = note('durable');
    await untilSynced(1);
    const answered: string[] = [];
    const second = note('durable').then(() => answered.push('second'));
    await wait(20);
    syncs[0]!.done();
    await first;
    await untilSynced(2);
    expect(answered).to.deep.equal([]);
    syncs[1]!.done();
    await second;
  });

  it('is refused when the disk does not take it, and so is every other from then on', async () => {
    const results = Promise.allSettled([note('durable'), note('durable')]);
    await untilSynced(1);
    syncs[0]!.fail(Object.assign(new Error('i/o error'), { code: 'EIO' }));
    for (const result of await results) {
      expect(result).to.have.nested.property('reason.code', 'store_not_durable');
    }
    const [later] = await Promise.allSettled([note('durable')]);
    expect(later).to.have.nested.property('reason.code', 'store_not_durable');
    await writer.drain();
  });
});

describe('a SQLite store', () => {
  it('asks threads to look anew after every change of an installation, and after nothing else', async () => {
    const file = join(temporaryFolder(), 'mortise.db');
    let asked = 0;
    const store = openSqlite(file, undefined, async () => {
      asked++;
    });
    await store.events.publish([event()]);
    await store.installations.rememberPlatform('digest');
    expect(asked).to.equal(0);
    await store.close();
  });

  it('opened by a link keeps its log where SQLite does', async () => {
    const folder = temporaryFolder();
    const real = join(folder, 'real.db');
    await openSqlite(real).close();
    symlinkSync(real, join(folder, 'link.db'));
    const store = openSqlite(join(folder, 'link.db'));
    await store.events.publish([event()]);
    expect(statSync(`${real}-wal`).size).to.be.above(0);
    await store.close();
  });
});

describe('what a thread that makes attempts reads', () => {
  it('has events that were published after the gate was asked', async () => {
    const file = join(temporaryFolder(), 'mortise.db');
    const store = openSqlite(file);
    const attempts = openSqliteForAttempts(file);
    const { eventSeq, eventAt } = await new Promise<{ eventSeq: number; eventAt: number }>(
      (resolve) => {
        const other = new Database(file);
        // In one turn: the gate's moment is still open when the event is there.
        setImmediate(() => {
          attempts.gate.isCurrent('nobody', 1);
          other.pragma('synchronous = FULL');
          const { createdAt } = published;
          other.transaction(() => void store.events.publishWithin(other, [published]))();
          const seq = other.prepare('SELECT MAX(seq) FROM outbox').pluck().get() as number;
          other.close();
          resolve({ eventSeq: seq, eventAt: createdAt });
        });
        const published = event();
      },
    );
    const found = attempts.events.findOwed({ eventSeq, eventAt });
    const all = attempts.events.findAllOwed([{ eventSeq, eventAt }]);
    expect(await found).to.have.property('type', 'repo:push');
    expect(await all).to.have.length(1);
    attempts.close();
    await store.close();
  });
});

describe('the write-ahead log', () => {
  it('is copied by another thread while it is written', async function () {
    this.timeout(60_000);
    const file = join(temporaryFolder(), 'mortise.db');
    const store = openSqlite(file);
    const MIB = 1024 * 1024;
    // Less than what SQLite would let grow before it copied by itself.
    const total = 100;
    for (let written = 0; written < total; written++) {
      await Promise.all(Array.from({ length: 16 }, () => store.events.publish([event(MIB / 16)])));
    }
    expect(statSync(file).size / MIB).to.be.above(total / 4);
    await store.close();
  });
});
