// What came of attempts, when the answer to COMMIT is lost and it is recorded again.
//
// Seen red: without the look for what is there; with it, and not waiting for who still writes; without the number or the
// time in it; a call that is owed twice.
import { expect } from 'chai';
import { openPostgres } from '../../src/store/postgres/open.ts';
import type { LifecycleCall, OwedDelivery } from '../../src/store/rows.ts';
import type { Store } from '../../src/store/store.ts';
import { attemptRecord } from '../helpers/attempt-record.ts';
import { eventRow } from '../helpers/event-row.ts';
import { installAddon, PUSH } from '../helpers/installed-addon.ts';
import { asOwner, migratedDatabase } from '../helpers/postgres.ts';
import { installIn } from '../helpers/postgres-installation.ts';
import { startHost } from '../helpers/start-host.ts';
import { tcpProxy } from '../helpers/tcp-proxy.ts';
import { until } from '../helpers/until.ts';

const HOUR = 3_600_000;

describe('a record on PostgreSQL that is made again', () => {
  let url: string;
  let store: Store;
  let id: string;
  let ended: string[];

  beforeEach(async () => {
    url = await migratedDatabase();
    ended = [];
    store = openPostgres(url, {
      committed: () => undefined,
      synced: () => undefined,
      owed: () => undefined,
      ended: (count, outcome) => void ended.push(...Array(count).fill(outcome)),
    });
    id = (await installIn(store, ['repo:push'])).id;
  });
  afterEach(() => store.close());

  async function owe(count: number): Promise<OwedDelivery[]> {
    await store.events.publish(Array.from({ length: count }, () => eventRow()));
    await store.events.fanOut(256, Date.now(), HOUR);
    return (await store.deliveries.window(id, Date.now() + HOUR, 256)).due;
  }

  const logged = async () =>
    (
      await asOwner<{ outcome: string; number: number }>(
        'SELECT outcome, number FROM mortise.attempts ORDER BY outcome, number, at',
        [],
        url,
      )
    ).map(({ outcome, number }) => `${number} ${outcome}`);

  it('is in the log once, whatever came of it, and counted once', async () => {
    const [a, b, c, d, e] = (await owe(5)) as [
      OwedDelivery,
      OwedDelivery,
      OwedDelivery,
      OwedDelivery,
      OwedDelivery,
    ];
    const later = Date.now() + HOUR;
    const call: LifecycleCall = {
      id: 'call',
      installationId: id,
      kind: 'webhooksPaused',
      attempts: 0,
      dueAt: 0,
      createdAt: 0,
    };
    const probe = { outcome: 'retry', nextDueAt: later, isProbe: true } as const;
    const attempts = [
      attemptRecord(a, {}),
      attemptRecord(b, { outcome: 'failed', status: 410, reason: 'gone' }),
      attemptRecord(c, { outcome: 'dropped', number: 0, status: null, reason: 'disabled' }),
      attemptRecord(d, { outcome: 'retry', nextDueAt: later }),
      attemptRecord(e, probe),
    ];
    await store.deliveries.record({ attempts, calls: [call] });
    const once = await logged();
    const counted = [...ended];
    const more = attemptRecord(e, { ...probe, at: attempts[4]!.at + 1 });
    await store.deliveries.record({
      attempts: [...attempts, more],
      calls: [call],
      isRepeated: true,
    });
    expect(await logged()).to.deep.equal([...once, '1 retry']);
    expect(once).to.have.length(5);
    // The first time was not heard of.
    expect(ended).to.have.members([...counted, ...counted]);
    const calls = await asOwner('SELECT id FROM mortise.lifecycle_calls', [], url);
    expect(calls).to.deep.equal([{ id: 'call' }]);
  });

  it('waits for one that is still under way', async () => {
    const [delivery] = await owe(1);
    const attempt = attemptRecord(delivery!, {});
    await asOwner(
      `CREATE FUNCTION mortise.slowly() RETURNS trigger LANGUAGE plpgsql AS
         'BEGIN PERFORM pg_sleep(0.5); RETURN NULL; END';
       CREATE TRIGGER slowly AFTER DELETE ON mortise.deliveries FOR EACH STATEMENT EXECUTE FUNCTION mortise.slowly()`,
      [],
      url,
    );
    const first = store.deliveries.record({ attempts: [attempt] });
    await until(async () => {
      const waiting = await asOwner(
        `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'`,
        [],
        url,
      );
      return waiting.length > 0;
    }, 'the first to be under way');
    await Promise.all([first, store.deliveries.record({ attempts: [attempt], isRepeated: true })]);
    expect(await logged()).to.deep.equal(['1 delivered']);
  });

  it('alone is looked for in the log: others cost nothing more', async () => {
    for (const delivery of await owe(20)) {
      await store.deliveries.record({ attempts: [attemptRecord(delivery, {})] });
    }
    // What a connection has read it says when it ends.
    await store.close();
    store = openPostgres(url);
    const [looks] = await asOwner<{ scans: string }>(
      `SELECT sum(idx_scan) AS scans FROM pg_stat_user_indexes WHERE relname LIKE 'attempts%'`,
      [],
      url,
    );
    expect(looks).to.deep.equal({ scans: '0' });
  });

  it('by the engine, after a commit it did not hear of, is in the log and in the metrics once', async () => {
    const proxy = await tcpProxy(url);
    const running = await startHost({ database: proxy.url });
    try {
      const { addon, installation } = await installAddon(running);
      const broken = proxy.breakAfter('DELETE FROM mortise.deliveries', 'COMMIT');
      const { id: event } = await running.host.publish(PUSH);
      await broken;
      const metric = async (line: RegExp) =>
        line.exec((await running.request('GET', '/metrics')).text)?.[1];
      const delivered = /^mortise_deliveries_total\{outcome="delivered"[^}]*\} (\d+)$/m;
      await until(async () => (await metric(delivered)) === '1', 'it to be recorded again');
      const { json } = await running.operator('GET', `/deliveries?event=${event}`);
      const [delivery] = json.items.filter(
        ({ installationId }: { installationId: string }) => installationId === installation.id,
      );
      expect(delivery).to.include({ state: 'delivered', attemptCount: 1 });
      expect(addon.to('/hook')).to.have.length(1);
      await addon.stop();
    } finally {
      await running.stop();
      proxy.close();
    }
  });
});
