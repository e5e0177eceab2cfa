// The gate on PostgreSQL: after the answer to a revocation at one replica, no other starts a send.
//
// Seen red: the first with no wait before the answer (untilGatesHaveSeen), and with a gate that says it has seen what it
// reads in the statement that reads it; whoever comes second with no wait for what others have changed; whatever changes
// an epoch with 'durable' unless it is asked for more; shut when it cannot read with FRESH_MS of a minute; not answering
// without the limit of the wait; taken for dead without the look at its own row; lost without forgetting; a crash without
// the look at the lifetime; what was read before one without a look at the share's; a server that has just begun without the wait for all; the sweep without deleting, and with deleting whatever has been seen.
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import pg from 'pg';
import sql from 'sql-template-tag';
import type { AttemptStore } from '../../src/store/delivery-store.ts';
import { openAttemptStore } from '../../src/store/open-store.ts';
import { Database } from '../../src/store/postgres/database.ts';
import { FRESH_MS } from '../../src/store/postgres/gate-changes.ts';
import { GateSweep } from '../../src/store/postgres/gate-sweep.ts';
import { openPostgres } from '../../src/store/postgres/open.ts';
import type { Store } from '../../src/store/store.ts';
import { eventRow } from '../helpers/event-row.ts';
import { migratedDatabase } from '../helpers/postgres.ts';
import { installIn } from '../helpers/postgres-installation.ts';
import { tcpProxy } from '../helpers/tcp-proxy.ts';
import { until } from '../helpers/until.ts';

const TRIES = 200;
const AT_ONCE = 10;
/** What an operator waits for at most. */
const LONGEST_ANSWER_MS = 500;

describe('the gate on PostgreSQL', () => {
  let url: string;
  let db: Database;
  let revoking: Store;
  let sending: AttemptStore;

  beforeEach(async () => {
    url = await migratedDatabase();
    db = new Database(url);
    revoking = openPostgres(url);
    sending = openAttemptStore(url);
  });
  afterEach(async () => {
    await sending.close();
    await revoking.close();
    await db.close();
  });

  const disable = async (id: string) => {
    const began = performance.now();
    await revoking.installations.setState(id, 'disabled', { at: Date.now(), subscriptions: [] });
    return performance.now() - began;
  };

  it('starts nothing at one replica after the answer at the other, under load', async function () {
    this.timeout(120_000);
    let isLoaded = true;
    const bystander = await installIn(revoking);
    const load = Promise.all([
      (async () => {
        while (isLoaded) {
          await revoking.events.publish([eventRow()]);
          await revoking.events.fanOut(256, Date.now(), 1_000);
        }
      })(),
      (async () => {
        while (isLoaded) {
          await revoking.installations.setState(bystander.id, 'enabled', {
            at: Date.now(),
            subscriptions: [],
          });
        }
      })(),
      // The product's own transactions end in another order than they begin.
      (async () => {
        while (isLoaded) {
          await db.transaction(async (tx) => {
            await tx.run(sql`INSERT INTO mortise.settings VALUES (${String(Math.random())}, '')`);
            await sleep(200 * Math.random());
          });
        }
      })(),
    ]);
    const gate = sending.gate;
    let wasOpen = 0;
    let late = 0;
    const answers: number[] = [];
    const tryOnce = async () => {
      const { id } = await installIn(revoking);
      const { installation } = (await gate.recipient(id))!;
      if (gate.isCurrent(id, installation.epoch)) wasOpen++;
      answers.push(await disable(id));
      // From the answer on, and until all that was read before it is old.
      for (const end = performance.now() + 300; performance.now() < end; await sleep(3)) {
        if (gate.isCurrent(id, installation.epoch)) late++;
      }
    };
    await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        for (let i = 0; i < TRIES / AT_ONCE; i++) await tryOnce();
      }),
    );
    isLoaded = false;
    await load;
    expect(late).to.equal(0);
    expect(wasOpen).to.be.greaterThan(TRIES * 0.9);
    answers.sort((a, b) => a - b);
    expect(answers[Math.floor(TRIES * 0.95)]).to.be.lessThan(LONGEST_ANSWER_MS);
  });

  it('is waited for by whoever uninstalls what another is just uninstalling, too', async () => {
    for (let i = 0; i < 20; i++) {
      const { id, epoch } = await installIn(revoking);
      await sending.gate.recipient(id);
      expect(sending.gate.isCurrent(id, epoch)).to.equal(true);
      const uninstall = () => revoking.installations.uninstall(id, Date.now(), undefined);
      const all = [uninstall(), uninstall()];
      await Promise.race(all);
      expect(sending.gate.isCurrent(id, epoch), `try ${i}`).to.equal(false);
      expect((await Promise.all(all)).sort()).to.deep.equal([false, true]);
    }
  });

  it('is waited for by whatever changes an epoch, without being asked to', async () => {
    for (let i = 0; i < 10; i++) {
      const { id, epoch } = await installIn(revoking);
      await sending.gate.recipient(id);
      expect(sending.gate.isCurrent(id, epoch)).to.equal(true);
      await db.run(sql`UPDATE mortise.installations SET epoch = epoch + 1 WHERE id = ${id}`);
      expect(sending.gate.isCurrent(id, epoch), `try ${i}`).to.equal(false);
    }
  });

  it('is shut when it cannot read, and opens again', async () => {
    const { id, epoch } = await installIn(revoking);
    await sending.gate.recipient(id);
    expect(sending.gate.isCurrent(id, epoch)).to.equal(true);
    const unlock = await lock('mortise.gate_changes');
    await sleep(350);
    expect(sending.gate.isCurrent(id, epoch)).to.equal(false);
    await unlock();
    await sending.gate.recipient(id);
    expect(sending.gate.isCurrent(id, epoch)).to.equal(true);
  });

  it('that does not answer is waited for until it is shut, and no longer', async () => {
    const { id, epoch } = await installIn(revoking);
    await sending.gate.recipient(id);
    expect(sending.gate.isCurrent(id, epoch)).to.equal(true);
    const unlock = await lock('mortise.gates');
    const took = await disable(id);
    const isOpen = sending.gate.isCurrent(id, epoch);
    await unlock();
    expect(isOpen).to.equal(false);
    expect(took).to.be.within(FRESH_MS, LONGEST_ANSWER_MS);
  });

  it('that others took for dead begins anew: it knows nothing, and is heard of again', async () => {
    const { id, epoch } = await installIn(revoking);
    await sending.gate.recipient(id);
    await db.run(sql`DELETE FROM mortise.gates`);
    await sleep(200);
    expect(sending.gate.isCurrent(id, epoch)).to.equal(false);
    await sending.gate.recipient(id);
    expect(sending.gate.isCurrent(id, epoch)).to.equal(true);
    expect(await gates()).to.equal(1);
  });

  it('begins anew when PostgreSQL has crashed', async () => {
    const { id, epoch } = await installIn(revoking);
    await sending.gate.recipient(id);
    expect(sending.gate.isCurrent(id, epoch)).to.equal(true);
    // What a crash does to it: numbers of transactions that the gate has seen may be given again.
    await db.run(sql`TRUNCATE mortise.lifetime`);
    await sleep(200);
    expect(sending.gate.isCurrent(id, epoch)).to.equal(false);
    await sending.gate.recipient(id);
    expect(sending.gate.isCurrent(id, epoch)).to.equal(true);
  });

  it('lets nothing pass that was read before PostgreSQL crashed', async () => {
    const { id, epoch } = await installIn(revoking);
    const share = (await revoking.engine.tryShare())!;
    const ofShare = openAttemptStore(url, share.lifetime);
    const both = [ofShare.gate, revoking.deliveries];
    try {
      for (const gate of both) {
        await gate.recipient(id);
        expect(gate.isCurrent(id, epoch)).to.equal(true);
      }
      await db.run(sql`TRUNCATE mortise.lifetime`);
      for (const gate of both) {
        await until(
          async () => (await codeOf(gate.recipient(id))) === 'store_forgot',
          'a new lifetime',
        );
        expect(gate.isCurrent(id, epoch)).to.equal(false);
      }
      await share.release();
      // What is read from here on is of the new one.
      const next = (await revoking.engine.tryShare())!;
      await revoking.deliveries.recipient(id);
      expect(revoking.deliveries.isCurrent(id, epoch)).to.equal(true);
      expect(await codeOf(ofShare.gate.recipient(id))).to.equal('store_forgot');
      await next.release();
    } finally {
      await ofShare.close();
    }
  });

  it('that has not yet noticed a crash is waited for, whatever numbers it has seen', async () => {
    const { id } = await installIn(revoking);
    await db.run(sql`INSERT INTO mortise.gates (id, seen, lifetime)
      VALUES ('slow', '1:9000000000000:', 'before')`);
    expect(await disable(id)).to.be.within(FRESH_MS, LONGEST_ANSWER_MS);
  });

  it('that a new server does not know is waited for: it may have read at the old one a moment ago', async () => {
    const proxy = await tcpProxy(url);
    const elsewhere = openAttemptStore(proxy.url);
    try {
      const { id, epoch } = await installIn(revoking);
      await elsewhere.gate.recipient(id);
      // What the standby has that takes the place of a server, where the gate's row had not come to it.
      proxy.hold();
      await db.run(sql`DELETE FROM mortise.gates`);
      await db.run(sql`TRUNCATE mortise.lifetime`);
      expect(elsewhere.gate.isCurrent(id, epoch)).to.equal(true);
      const took = await disable(id);
      expect(elsewhere.gate.isCurrent(id, epoch)).to.equal(false);
      expect(took).to.be.within(FRESH_MS, LONGEST_ANSWER_MS);
      // From then on it is a server as any other.
      expect(await disable((await installIn(revoking)).id)).to.be.below(FRESH_MS);
    } finally {
      proxy.letGo();
      await elsewhere.close();
      proxy.close();
    }
  });

  it('that has lost its connection begins anew: who knows which server answers next', async () => {
    const { id, epoch } = await installIn(revoking);
    await sending.gate.recipient(id);
    expect(sending.gate.isCurrent(id, epoch)).to.equal(true);
    const unlock = await lock('mortise.gate_changes');
    const end = sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE datname = current_database() AND wait_event_type = 'Lock'`;
    while ((await db.all(end)).length === 0) await sleep(10);
    await unlock();
    for (let i = 0; i < 60; i++, await sleep(10)) {
      expect(sending.gate.isCurrent(id, epoch)).to.equal(false);
    }
    await sending.gate.recipient(id);
    await until(async () => sending.gate.isCurrent(id, epoch), 'a gate that is open again');
  });

  it('is no longer heard of when its process is gone, and changes go when all have seen them', async () => {
    await db.run(sql`INSERT INTO mortise.gates (id, seen) VALUES ('dead', pg_current_snapshot())`);
    const { id } = await installIn(revoking);
    await disable(id);
    const sweep = new GateSweep(100);
    await sweep.sweep(db);
    expect([await gates(), await changes()]).to.deep.equal([1, 2]);
    await sleep(150);
    await db.run(sql`INSERT INTO mortise.gates (id, seen) VALUES ('live', pg_current_snapshot())`);
    // Of a server whose other databases are in use: a snapshot of it may begin before what they write.
    await until(async () => {
      await db.run(
        sql`UPDATE mortise.gates SET seen = pg_current_snapshot(), beats = beats + 1 WHERE id = 'live'`,
      );
      await sweep.sweep(db);
      return (await changes()) === 0;
    }, 'the changes to go');
    expect(await gates()).to.equal(1);
  });

  it('and what is sent take three connections, however much is asked at once', async () => {
    const { id } = await installIn(revoking);
    const before = await connections();
    await Promise.all(Array.from({ length: 20 }, () => sending.gate.recipient(id)));
    expect((await connections()) - before).to.equal(3);
  });

  it('closes when nobody asks, so that nobody waits for it', async () => {
    const { id, epoch } = await installIn(revoking);
    await sending.gate.recipient(id);
    expect(await gates()).to.equal(1);
    await sending.close();
    expect(await gates()).to.equal(0);
    expect(sending.gate.isCurrent(id, epoch)).to.equal(false);
    sending = openAttemptStore(url);
  });

  function codeOf(work: Promise<unknown>): Promise<string | undefined> {
    return work.then(
      () => undefined,
      ({ code }) => code,
    );
  }

  async function gates(): Promise<number> {
    return (await db.all(sql`SELECT 1 FROM mortise.gates`)).length;
  }

  async function changes(): Promise<number> {
    return (await db.all(sql`SELECT 1 FROM mortise.gate_changes`)).length;
  }

  async function connections(): Promise<number> {
    const all = sql`SELECT 1 FROM pg_stat_activity WHERE datname = current_database()`;
    return (await db.all(all)).length;
  }

  /** @returns lets go of it */
  async function lock(table: string): Promise<() => Promise<void>> {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    await client.query(`BEGIN; LOCK TABLE ${table} IN ACCESS EXCLUSIVE MODE`);
    return () => client.end();
  }
});
