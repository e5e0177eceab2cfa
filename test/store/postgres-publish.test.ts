// Publishing on PostgreSQL: together, in the product's own transaction, and while subscriptions change.
//
// Seen red: a transaction for each; a statement without DURABLE; numbers in another order than that of the calls; no
// probe, no look at which database it is; keys that stay after a conflict; fan-out that does not lock subscriptions, that
// owes what it has not taken from the outbox, and that believes whoever runs it what time it is; a group
// that waits for a key as long as one by itself; a statement by itself, however long those before it have waited for the
// table, and a group that is taken apart then.
import { randomBytes } from 'node:crypto';
import { expect } from 'chai';
import pg from 'pg';
import { sha256 } from '../../src/core/secrets.ts';
import { openPostgres } from '../../src/store/postgres/open.ts';
import type { EventRow } from '../../src/store/rows.ts';
import type { Store } from '../../src/store/store.ts';
import { eventRow } from '../helpers/event-row.ts';
import { asOwner, migratedDatabase } from '../helpers/postgres.ts';
import { installIn, subscriptionsOf } from '../helpers/postgres-installation.ts';
import { until } from '../helpers/until.ts';

describe('publishing on PostgreSQL', () => {
  let url: string;
  let store: Store;
  let replica: Store;

  beforeEach(async () => {
    url = await migratedDatabase();
    store = openPostgres(url);
    replica = openPostgres(url);
  });
  afterEach(async () => {
    await store.close();
    await replica.close();
  });

  const query = <T extends object>(sql: string, values: unknown[] = []) =>
    asOwner<T>(sql, values, url);
  const codeOf = async (work: string[] | Promise<string[]>) => {
    try {
      await work;
      return 'published';
    } catch (error) {
      return (error as { code?: string }).code;
    }
  };
  const keyed = (key: string, body: string) =>
    eventRow({ idempotency: { key, bodyHash: sha256(body), expiresAt: Date.now() + 3_600_000 } });

  it('in one turn of the event loop shares a transaction, in the order it was asked for', async () => {
    await store.events.publish([eventRow()]);
    const rows = Array.from({ length: 50 }, () => eventRow());
    const ids = await Promise.all(rows.map((row) => store.events.publish([row])));
    expect(ids.flat()).to.deep.equal(rows.map(({ id }) => id));
    const stored = await query<{ id: string; xmin: string }>(
      'SELECT id, xmin::text FROM mortise.events ORDER BY seq OFFSET 1',
    );
    expect(stored.map(({ id }) => id)).to.deep.equal(rows.map(({ id }) => id));
    expect(new Set(stored.map(({ xmin }) => xmin)).size).to.equal(1);
  });

  it('while somebody holds the table leaves one statement to wait for ever at most, and says to those after it that it is busy', async () => {
    await store.events.publish([eventRow()]);
    const waiting = () =>
      query<{ pid: number }>(`SELECT pid FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'`);
    const other = new pg.Client({ connectionString: url });
    await other.connect();
    await other.query('BEGIN; LOCK TABLE mortise.events IN SHARE MODE');
    const first = codeOf(store.events.publish([eventRow()]));
    const [held] = await until(async () => {
      const found = await waiting();
      return found.length > 0 && found;
    }, 'the first to wait');
    // Otherwise it would be given up after half a minute, and wait on.
    await query(`SELECT pg_terminate_backend(${held!.pid})`);
    expect(await first).to.equal('store_unreachable');
    const row = eventRow();
    const began = performance.now();
    const next = [store.events.publish([eventRow()]), store.events.publish([row])];
    expect(await Promise.all(next.map(codeOf))).to.deep.equal(['store_busy', 'store_busy']);
    expect(performance.now() - began).to.be.within(9_000, 15_000);
    expect(await waiting()).to.deep.equal([]);
    await other.end();
    await store.events.publish([row]);
    expect(await replica.events.find(row.id)).to.include({ id: row.id });
  });

  it('keeps the order of calls from turn to turn, though nobody waits for the answers', async () => {
    const rows: EventRow[] = [];
    const asked: Promise<string[]>[] = [];
    for (let turn = 0; turn < 20; turn++) {
      const row = eventRow();
      rows.push(row);
      asked.push(store.events.publish([row]));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await Promise.all(asked);
    const stored = await query<{ id: string }>('SELECT id FROM mortise.events ORDER BY seq');
    expect(stored.map(({ id }) => id)).to.deep.equal(rows.map(({ id }) => id));
  });

  it('is on the disk when it is answered, though the database is set to otherwise', async () => {
    const name = new URL(url).pathname.slice(1);
    await query(`ALTER DATABASE ${name} SET synchronous_commit = off`);
    const relaxed = openPostgres(url);
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    const bytes = 50_000;
    const lsn = async (where: string) =>
      (await client.query(`SELECT pg_wal_lsn_diff(pg_current_wal_${where}_lsn(), '0/0') AS at`))
        .rows[0].at;
    try {
      for (let i = 0; i < 10; i++) {
        const written = Number(await lsn('insert'));
        await relaxed.events.publish([eventRow({ payload: randomBytes(bytes) })]);
        expect(Number(await lsn('flush')) - written).to.be.greaterThan(bytes);
      }
    } finally {
      await client.end();
      await relaxed.close();
    }
  });

  it('under one key at two replicas at once is one event', async () => {
    const rows = Array.from({ length: 20 }, () => keyed('k', 'body'));
    const ids = await Promise.all(
      rows.map((row, i) => (i % 2 ? store : replica).events.publish([row])),
    );
    expect(new Set(ids.flat()).size).to.equal(1);
    expect(await query('SELECT 1 FROM mortise.outbox')).to.have.length(1);
  });

  it('waits for the key that the product holds in a transaction of its own, and others do not', async () => {
    const product = new pg.Client({ connectionString: url });
    await product.connect();
    try {
      await product.query('BEGIN');
      const [held] = await store.events.publishWithin(product, [keyed('held', 'a')]);
      const same = [1, 2].map(() => store.events.publish([keyed('held', 'a')]));
      const answers = Promise.allSettled([...same, store.events.publish([keyed('held', 'b')])]);
      const others = Array.from({ length: 3 }, (_, i) => store.events.publish([keyed(`${i}`, '')]));
      expect(new Set((await Promise.all(others)).flat()).size).to.equal(3);
      await product.query('COMMIT');
      const [one, two, other] = await answers;
      for (const each of [one, two]) expect(each).to.have.deep.property('value', [held]);
      expect(other).to.have.nested.property('reason.code', 'idempotency_conflict');
    } finally {
      await product.end();
    }
  });

  it('and a change of subscriptions at once: who is told is who the numbers say', async function () {
    this.timeout(60_000);
    await store.events.publish([eventRow()]);
    for (let round = 0; round < 10; round++) {
      const { id } = await installIn(replica);
      const rows = Array.from({ length: 40 }, () => eventRow());
      let isPublishing = true;
      const fanOut = (async () => {
        while (isPublishing) await store.events.fanOut(256, Date.now(), 3_600_000);
      })();
      await Promise.all([
        (async () => {
          for (const row of rows) await store.events.publish([row]);
        })(),
        (async () => {
          await new Promise((resolve) => setTimeout(resolve, 20 * Math.random()));
          const subscriptions = subscriptionsOf(id, ['repo:push']);
          await replica.installations.setState(id, 'enabled', { at: Date.now(), subscriptions });
        })(),
      ]);
      isPublishing = false;
      await fanOut;
      while ((await store.events.fanOut(256, Date.now(), 3_600_000)).events > 0);
      const wrong = await query(
        `SELECT e.seq, s.since_seq, d.id FROM mortise.events e
         JOIN mortise.subscriptions s ON s.installation_id = $1 AND s.event_type = e.type
         LEFT JOIN mortise.deliveries d ON d.event_id = e.id AND d.installation_id = $1
         WHERE (d.id IS NOT NULL) <> (e.seq > s.since_seq)`,
        [id],
      );
      expect(wrong, `round ${round}`).to.deep.equal([]);
    }
  });

  it('is fanned out by one engine, though another has read the same and comes too late', async () => {
    const { id } = await installIn(store, ['repo:push']);
    await store.events.publish([eventRow()]);
    const faster = new pg.Client({ connectionString: url });
    await faster.connect();
    try {
      // It has made the deliveries, sent them, and recorded that.
      await faster.query('BEGIN; DELETE FROM mortise.outbox');
      const late = store.events.fanOut(256, Date.now(), 3_600_000);
      await until(async () => {
        const waiting = await query(`SELECT 1 FROM pg_stat_activity
          WHERE datname = current_database() AND wait_event_type = 'Lock'`);
        return waiting.length > 0;
      }, 'the late one to wait');
      await faster.query('COMMIT');
      expect((await late).owed).to.deep.equal([]);
    } finally {
      await faster.end();
    }
    expect((await store.deliveries.window(id, Date.now(), 10)).due).to.deep.equal([]);
  });

  describe('in the product’s own transaction', () => {
    let client: pg.Client;

    beforeEach(async () => {
      await query('CREATE TABLE public.orders (id text PRIMARY KEY)');
      client = new pg.Client({ connectionString: url });
      await client.connect();
    });
    afterEach(() => client.end());

    it('is there with its record when that commits', async () => {
      const row = eventRow();
      await client.query('BEGIN');
      await client.query(`INSERT INTO public.orders VALUES ('one')`);
      expect(await store.events.publishWithin(client, [row])).to.deep.equal([row.id]);
      expect(await store.events.find(row.id)).to.equal(undefined);
      await client.query('COMMIT');
      expect((await store.events.find(row.id))?.id).to.equal(row.id);
      expect(await query('SELECT id FROM public.orders')).to.deep.equal([{ id: 'one' }]);
      expect(await query('SELECT 1 FROM mortise.outbox')).to.have.length(1);
    });

    it('is gone with it when that is rolled back', async () => {
      const row = eventRow();
      await client.query('BEGIN');
      await client.query(`INSERT INTO public.orders VALUES ('one')`);
      await store.events.publishWithin(client, [row]);
      await client.query('ROLLBACK');
      expect(await store.events.find(row.id)).to.equal(undefined);
      expect(await query('SELECT id FROM public.orders')).to.deep.equal([]);
      expect(await query('SELECT 1 FROM mortise.outbox')).to.deep.equal([]);
    });

    it('is refused under a key of another body, and that transaction goes on without it', async () => {
      await store.events.publish([keyed('k', 'body')]);
      await client.query('BEGIN');
      const batch = [keyed('free', 'body'), keyed('k', 'another body')];
      for (const rows of [batch, batch.slice(1)]) {
        const code = await codeOf(store.events.publishWithin(client, rows));
        expect(code).to.equal('idempotency_conflict');
      }
      await client.query(`INSERT INTO public.orders VALUES ('one')`);
      await client.query('COMMIT');
      expect(await query('SELECT id FROM public.orders')).to.have.length(1);
      expect(await query('SELECT 1 FROM mortise.events')).to.have.length(1);
      expect(await query('SELECT 1 FROM mortise.event_keys')).to.have.length(1);
    });

    it('is durable though the product’s database is set to otherwise', async () => {
      await client.query('SET synchronous_commit = off');
      await client.query('BEGIN');
      await store.events.publishWithin(client, [eventRow()]);
      const { rows } = await client.query('SHOW synchronous_commit');
      expect(rows).to.deep.equal([{ synchronous_commit: 'on' }]);
      await client.query('COMMIT');
      const after = await client.query('SHOW synchronous_commit');
      expect(after.rows).to.deep.equal([{ synchronous_commit: 'off' }]);
    });

    const unusable: Record<string, () => unknown> = {
      'no transaction is open on it': () => client,
      'a statement in it has failed': async () => {
        await client.query('BEGIN');
        await client.query('SELECT 1 / 0').catch(() => undefined);
        return client;
      },
      'it is read only': async () => {
        await client.query('BEGIN READ ONLY');
        return client;
      },
      'it is no client': () => ({}),
      'it is on another database': async () => {
        await client.end();
        client = new pg.Client({ connectionString: await migratedDatabase() });
        await client.connect();
        await client.query('BEGIN');
        return client;
      },
    };
    for (const [why, transaction] of Object.entries(unusable)) {
      it(`is refused because ${why}`, async () => {
        const row = eventRow();
        const code = await codeOf(store.events.publishWithin(await transaction(), [row]));
        expect(code).to.equal('transaction_unusable');
        expect(await store.events.find(row.id)).to.equal(undefined);
      });
    }
  });

  it('is due at once, though the clock of the engine is an hour ahead', async () => {
    await installIn(store, ['repo:push']);
    await store.events.publish([eventRow()]);
    const hour = 3_600_000;
    await store.events.fanOut(256, Date.now() + hour, hour);
    const [lane] = await replica.deliveries.lanes();
    expect(lane!.dueAt).to.be.at.most(Date.now() + 1_000);
  });
});
