// A whole host on PostgreSQL: what is delivered, by whom, and what is not after a revocation.
//
// Seen red: revocations with a gate that is never shut; a share, with nobody who hears of its loss;
// disabled again taken for nothing to do.
import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import pg from 'pg';
import { openAttemptStore } from '../../src/store/open-store.ts';
import { type InstalledAddon, installAddon, PUSH } from '../helpers/installed-addon.ts';
import { asOwner, migratedDatabase } from '../helpers/postgres.ts';
import { MORTISE, startProcess } from '../helpers/process.ts';
import { OPERATOR_TOKEN, type RunningHost, SECRET_KEY, startHost } from '../helpers/start-host.ts';

const OWED = 1_000;

/** Over a connection of its own. */
async function getAnew(url: string): Promise<void> {
  const [answer] = (await once(get(url, { agent: false }), 'response')) as [IncomingMessage];
  await once(answer.resume(), 'end');
}

describe('a host on PostgreSQL', () => {
  let database: string;
  let running: RunningHost[];
  let installed: InstalledAddon;

  beforeEach(async () => {
    database = await migratedDatabase();
    running = [];
  });
  afterEach(async () => {
    for (const each of running) await each.stop();
    await installed?.addon.stop();
  });

  const start = async (own: Parameters<typeof startHost>[0] = {}) => {
    const host = await startHost({ database, ...own });
    running.push(host);
    return host;
  };

  it('delivers what is published', async () => {
    const { host } = await start();
    installed = await installAddon(running[0]!);
    const { id } = await host.publish(PUSH);
    const call = await installed.addon.waitFor('/hook');
    expect(call.headers['mortise-event-id']).to.equal(id);
  });

  it('sends nothing after the answer to a revocation elsewhere', async () => {
    const host = await start();
    installed = await installAddon(host);
    await host.host.publish(PUSH);
    await installed.addon.waitFor('/hook');
    const other = await start({ paused: true });
    await expectNothingAfterRevocation(other, host);
  });

  it('sends from a thread of another process, nothing after a revocation here, and takes over when that is killed', async function () {
    this.timeout(60_000);
    const sender = startProcess(
      [MORTISE, 'serve', '--dev', '--platform', 'platforms/bitbucket.json', '--port', '0'],
      {
        MORTISE_DATABASE_URL: database,
        MORTISE_OPERATOR_TOKEN: OPERATOR_TOKEN,
        MORTISE_SECRET_KEY: SECRET_KEY,
      },
    );
    try {
      await sender.waitFor(/mortise listening on (\S+)/);
      const here = await start();
      installed = await installAddon(here);
      await here.host.publish(PUSH);
      await installed.addon.waitFor('/hook');
      await expectNothingAfterRevocation(here, here);
    } finally {
      await sender.kill();
    }
    await running[0]!.host.changeInstallation(installed.installation.id, { state: 'enabled' });
    const { id } = await running[0]!.host.publish(PUSH);
    const end = performance.now() + 20_000;
    const hasCome = () =>
      installed.addon.to('/hook').some(({ headers }) => headers['mortise-event-id'] === id);
    while (!hasCome()) {
      expect(performance.now(), 'the lease runs out').to.be.lessThan(end);
      await sleep(50);
    }
  });

  it('answers who disables what another is just disabling, when nothing is sent any more', async () => {
    const host = await start({ paused: true });
    installed = await installAddon(host);
    const { id } = installed.installation;
    const sending = openAttemptStore(database);
    const rows = (text: string) => asOwner<{ state: string; epoch: string }>(text, [], database);
    const find = async () => (await rows('SELECT state, epoch FROM mortise.installations'))[0]!;
    try {
      for (let i = 0; i < 10; i++) {
        await host.host.changeInstallation(id, { state: 'enabled' });
        const epoch = Number((await find()).epoch);
        await sending.gate.recipient(id);
        expect(sending.gate.isCurrent(id, epoch)).to.equal(true);
        const first = host.host.changeInstallation(id, { state: 'disabled' });
        while ((await find()).state === 'enabled') await sleep(1);
        await host.host.changeInstallation(id, { state: 'disabled' });
        expect(sending.gate.isCurrent(id, epoch), `try ${i}`).to.equal(false);
        await first;
      }
    } finally {
      await sending.close();
    }
  });

  /** Much is owed already, to an add-on that takes its time. */
  async function expectNothingAfterRevocation(revoking: RunningHost, publishing: RunningHost) {
    const { addon, installation } = installed;
    addon.respond = (_call, response) => void setTimeout(() => response.writeHead(204).end(), 20);
    await Promise.all(Array.from({ length: OWED }, () => publishing.host.publish(PUSH)));
    await addon.waitFor('/hook', 30);
    await revoking.host.changeInstallation(installation.id, { state: 'disabled' });
    // What was started before may not be read yet: this event loop has had other things to do, and its timers come
    // before what lies in sockets. Connections made now are read after it.
    for (let round = 0; round < 4; round++) await getAnew(addon.descriptorUrl);
    const before = addon.to('/hook').length;
    await sleep(500);
    expect(before).to.be.lessThan(OWED);
    expect(addon.to('/hook')).to.have.length(before);
  }

  it('delivers what the product publishes in its own transaction, when that commits', async () => {
    const { host } = await start();
    installed = await installAddon(running[0]!);
    const client = new pg.Client({ connectionString: database });
    await client.connect();
    try {
      await client.query('CREATE TABLE public.orders (id text)');
      for (const end of ['ROLLBACK', 'COMMIT']) {
        await client.query('BEGIN');
        await client.query('INSERT INTO public.orders VALUES ($1)', [end]);
        await host.publish({ ...PUSH, actor: end }, { transaction: client });
        await client.query(end);
      }
      await installed.addon.waitFor('/hook');
      await sleep(200);
      expect(installed.addon.to('/hook')).to.have.length(1);
      const { rows } = await client.query('SELECT id FROM public.orders');
      expect(rows).to.deep.equal([{ id: 'COMMIT' }]);
    } finally {
      await client.end();
    }
  });

  it('delivers what another process publishes and owes, and hands over when it stops', async () => {
    const first = await start();
    installed = await installAddon(first);
    const second = await start();
    const published = await second.host.publish(PUSH);
    const call = await installed.addon.waitFor('/hook');
    expect(call.headers['mortise-event-id']).to.equal(published.id);
    running = [second];
    await first.stop();
    const next = await second.host.publish(PUSH);
    await installed.addon.waitFor('/hook', 2);
    expect(installed.addon.to('/hook')[1]!.headers['mortise-event-id']).to.equal(next.id);
    await second.host.uninstall(installed.installation.id);
    await installed.addon.waitFor('/uninstalled');
  });

  it('goes on after it lost its share, when it has one again', async function () {
    this.timeout(30_000);
    const host = await start();
    installed = await installAddon(host);
    const client = new pg.Client({ connectionString: database });
    await client.connect();
    try {
      await client.query(
        `BEGIN; DELETE FROM mortise.replicas;
         INSERT INTO mortise.replicas (id, expires_at) VALUES ('another', clock_timestamp() + interval '15 s');
         UPDATE mortise.buckets SET owner = 'another', fence = fence + 1; COMMIT`,
      );
      await sleep(6_500);
      await host.host.publish(PUSH);
      await sleep(500);
      expect(installed.addon.to('/hook')).to.deep.equal([]);
      await client.query(`DELETE FROM mortise.replicas WHERE id = 'another'`);
      await installed.addon.waitFor('/hook');
    } finally {
      await client.end();
    }
  });
});
