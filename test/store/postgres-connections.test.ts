// Connections that break at the worst moment.
//
// Seen red: the first without the listener of new connections (open-pool.ts), the second without the look at what is owed
// after a fan-out that failed (webhooks/fan-out.ts).
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import sql from 'sql-template-tag';
import { Database } from '../../src/store/postgres/database.ts';
import { installAddon, PUSH } from '../helpers/installed-addon.ts';
import { asOwner, migratedDatabase } from '../helpers/postgres.ts';
import { startHost } from '../helpers/start-host.ts';
import { type TcpProxy, tcpProxy } from '../helpers/tcp-proxy.ts';
import { until } from '../helpers/until.ts';

describe('a connection to PostgreSQL that breaks', () => {
  let url: string;
  let proxy: TcpProxy;

  beforeEach(async () => {
    url = await migratedDatabase();
    proxy = await tcpProxy(url);
  });
  afterEach(() => proxy.close());

  const connections = (state: string) =>
    asOwner<{ pid: number }>(
      `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
         AND state = '${state}'`,
      [],
      url,
    );

  it('in the moment it is handed to who waited for it ends nothing but their transaction', async () => {
    const db = new Database(proxy.url, undefined, { mostConnections: 1 });
    await db.open();
    proxy.hold();
    const first = db.all(sql`SELECT 1 AS one`);
    const second = db.run(sql`DELETE FROM mortise.settings`).catch((error) => error.code);
    const [idle] = await until(async () => {
      const found = await connections('idle');
      return found.length === 1 && found;
    }, 'the first to be answered');
    await asOwner(`SELECT pg_terminate_backend(${idle!.pid})`, [], url);
    await until(async () => (await connections('idle')).length === 0, 'the connection to be gone');
    proxy.letGo();
    expect(await first).to.deep.equal([{ one: 1 }]);
    expect(await second).to.equal('store_unreachable');
    expect(await db.run(sql`DELETE FROM mortise.settings`)).to.be.a('number');
    await db.close();
  });

  it('after a fan-out was committed, and before that is heard of, loses no delivery', async () => {
    const running = await startHost({ database: proxy.url });
    try {
      const { addon } = await installAddon(running);
      const broken = proxy.breakAfter('INSERT INTO mortise.deliveries', 'COMMIT');
      await running.host.publish(PUSH);
      await broken;
      await addon.waitFor('/hook');
      await addon.stop();
    } finally {
      await running.stop();
    }
  });

  it('after an attempt was recorded, and before that is heard of, does not make it again', async () => {
    const running = await startHost({ database: proxy.url });
    try {
      const { addon } = await installAddon(running);
      const broken = proxy.breakAfter('DELETE FROM mortise.deliveries', 'COMMIT');
      await running.host.publish(PUSH);
      await broken;
      // It is recorded again after half a second.
      await sleep(1_500);
      expect(await asOwner('SELECT 1 FROM mortise.deliveries', [], url)).to.have.length(0);
      expect(addon.to('/hook')).to.have.length(1);
      await addon.stop();
    } finally {
      await running.stop();
    }
  });
});
