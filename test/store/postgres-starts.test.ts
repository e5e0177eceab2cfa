// Where looks at the outbox and at lanes begin, so that rows which are done cost nothing: and that nothing is passed over.
//
// Seen red: an outbox that begins after the last number that was found, or was taken; a number that is taken before the
// transaction has its id; a lane without the margin, or that begins at the first that is not held back by another; either
// not forgotten by who gets a share anew.
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import pg from 'pg';
import { LaneStarts } from '../../src/store/postgres/lane-starts.ts';
import { openPostgres } from '../../src/store/postgres/open.ts';
import type { AttemptRecord, EventRow, OwedDelivery } from '../../src/store/rows.ts';
import type { Store } from '../../src/store/store.ts';
import { attemptRecord } from '../helpers/attempt-record.ts';
import { eventRow } from '../helpers/event-row.ts';
import { IDLE_SENDER } from '../helpers/idle-sender.ts';
import { asOwner, migratedDatabase } from '../helpers/postgres.ts';
import { installIn } from '../helpers/postgres-installation.ts';
import { until } from '../helpers/until.ts';

const HOUR = 3_600_000;

describe('where the outbox on PostgreSQL begins', () => {
  let url: string;
  let store: Store;
  let product: pg.Client;

  beforeEach(async () => {
    url = await migratedDatabase();
    store = openPostgres(url);
    await installIn(store, ['repo:push']);
    product = new pg.Client({ connectionString: url });
    await product.connect();
  });
  afterEach(async () => {
    await product.end();
    await store.close();
  });

  /** @returns the ids of the events that were taken */
  async function passes(events: number): Promise<string[]> {
    const taken: string[] = [];
    for (let i = 0; i < events; i++) {
      await store.events.publish([eventRow()]);
      const { owed } = await store.events.fanOut(256, Date.now(), HOUR);
      taken.push(...owed.map(({ eventId }) => eventId));
    }
    return taken;
  }

  it('is not behind a number that was taken early and is committed late', async () => {
    await passes(3);
    const late = eventRow();
    await product.query('BEGIN');
    await store.events.publishWithin(product, [late]);
    expect(await passes(10)).to.have.length(10);
    await product.query('COMMIT');
    expect(await passes(1)).to.include(late.id);
  });

  it('is not behind a number whose transaction has written nothing yet', async () => {
    await passes(3);
    // It waits between the number and the first row.
    await asOwner(
      `CREATE FUNCTION mortise.wait() RETURNS trigger LANGUAGE plpgsql AS
         'BEGIN IF NEW.event_type = ''slow'' THEN PERFORM pg_advisory_lock_shared(1); END IF; RETURN NEW; END';
       CREATE TRIGGER wait BEFORE INSERT ON mortise.outbox FOR EACH ROW EXECUTE FUNCTION mortise.wait();
       INSERT INTO mortise.subscriptions SELECT context, 'slow', installation_id, webhook_id, since, since_seq
         FROM mortise.subscriptions`,
      [],
      url,
    );
    await product.query('SELECT pg_advisory_lock(1)');
    const late = eventRow({ type: 'slow' });
    const other = openPostgres(url);
    const published = other.events.publish([late]);
    await until(async () => {
      const waiting = await product.query(
        `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'`,
      );
      return waiting.rows.length > 0;
    }, 'it to wait');
    expect(await passes(10)).to.have.length(10);
    await product.query('SELECT pg_advisory_unlock(1)');
    await published;
    await other.close();
    expect(await passes(1)).to.include(late.id);
  });

  it('is the beginning again for who gets a share anew: a crash may have taken what was done', async () => {
    await passes(10);
    const [row] = await asOwner<EventRow>(
      `INSERT INTO mortise.outbox (bucket, seq, event_id, event_type, event_at, context)
       SELECT 0, seq, id, type, created_at, context FROM mortise.events ORDER BY seq LIMIT 1 RETURNING event_id AS id`,
      [],
      url,
    );
    await asOwner('DELETE FROM mortise.deliveries', [], url);
    expect(await passes(1)).not.to.include(row!.id);
    const share = (await store.engine.tryShare())!;
    await share.start(IDLE_SENDER);
    expect(await passes(1)).to.include(row!.id);
    await share.release();
  });
});

describe('where a lane on PostgreSQL begins', () => {
  let url: string;
  let store: Store;
  let id: string;

  beforeEach(async () => {
    url = await migratedDatabase();
    store = openPostgres(url);
    id = (await installIn(store, ['repo:push'])).id;
  });
  afterEach(() => store.close());

  async function owe(at: number, own: Partial<EventRow> = {}): Promise<string> {
    const row = eventRow(own);
    await store.events.publish([row]);
    await store.events.fanOut(256, at, HOUR);
    return row.id;
  }
  const window = (now: number, limit = 16) => store.deliveries.window(id, now, limit);
  const eventsOf = (due: OwedDelivery[]) => due.map(({ eventId }) => eventId);
  const ended = (delivery: OwedDelivery, own: Partial<AttemptRecord> = {}) =>
    store.deliveries.record({ attempts: [attemptRecord(delivery, own)] });

  it('is some seconds before the first that is owed: what was committed late is found', async () => {
    const now = Date.now();
    await owe(now);
    await window(now);
    const late = await owe(now - 3_000);
    expect(eventsOf((await window(now)).due)).to.include(late);
  });

  it('is before what waits for another of its order', async () => {
    const now = Date.now();
    await owe(now - HOUR, { orderingKey: 'a' });
    const next = await owe(now - HOUR, { orderingKey: 'a' });
    await owe(now);
    const { due } = await window(now);
    await ended(due[0]!, { outcome: 'retry', nextDueAt: now + 1_000 });
    await window(now);
    const [first] = (await window(now + 1_000)).due.filter(({ orderingKey }) => orderingKey);
    await ended(first!);
    expect(eventsOf((await window(now + 1_000)).due)).to.include(next);
  });

  it('is the beginning once in a while, and before nothing is expected any more', async () => {
    const now = Date.now();
    await owe(now);
    const { due } = await window(now);
    await ended(due[0]!);
    const { nextDueAt } = await window(now);
    expect(nextDueAt! - now).to.be.within(1, 30_000);
    const starts = new LaneStarts(50);
    const look = (from: number | undefined, firstDueAt?: number) =>
      starts.looked(id, now, { from, firstDueAt, began: performance.now() });
    expect(look(undefined, now)).to.equal(undefined);
    const from = starts.of(id);
    expect(from).to.be.below(now);
    expect(look(from)).to.be.within(1, 50);
    await sleep(60);
    expect(starts.of(id)).to.equal(undefined);
    expect(look(undefined)).to.equal(undefined);
    expect(starts.of(id)).to.equal(undefined);
  });

  it('is the beginning again for who gets a share anew', async () => {
    const now = Date.now();
    await owe(now);
    await window(now);
    const early = await owe(now - HOUR);
    expect(eventsOf((await window(now)).due)).not.to.include(early);
    const share = await store.engine.tryShare();
    expect(eventsOf((await window(now)).due)).to.include(early);
    await share!.release();
  });
});
