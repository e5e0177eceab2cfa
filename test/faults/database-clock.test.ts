// Fault 14 on PostgreSQL: the machines of three replicas are hours apart, or the database's own clock is set. What is
// stored and signed is by the database's.
import { expect } from 'chai';
import { type PostgresServer, startPostgres } from '../helpers/postgres-server.ts';
import { makeClockSettable, setDatabaseClock } from '../helpers/set-database-clock.ts';
import { until } from '../helpers/until.ts';
import type { Replica } from './replica.ts';
import { Replicas } from './replicas.ts';
import { expectBalanced, sleep } from './rig.ts';

const HOUR = 3_600_000;
/** Replicas notice within five seconds that the database's was set. */
const FOLLOWED_MS = 6_500;
const KINDS = [{ type: 'repo:push', context: 'acme' }];

describe('clocks that are hours apart, on PostgreSQL', function () {
  this.timeout(120_000);
  let server: PostgresServer;
  let replicas: Replicas;

  before(async () => {
    server = await startPostgres();
  });
  after(() => server.stop());
  beforeEach(async () => {
    replicas = await Replicas.start(server);
  });
  afterEach(() => replicas.close());

  const states = async (event: string) =>
    (await replicas.rig.listed(`event=${event}`)).map(({ state }) => state);

  /** Published where it fails once. @returns its id */
  async function oneFailure(addon: string): Promise<string> {
    await replicas.rig.behave(addon, { status: 503, times: 1 });
    const { id } = await replicas.rig.publish();
    await until(async () => (await states(id))[0] === 'retrying', 'a failure to be recorded');
    return id;
  }

  /** JWTs since `from` say this time. */
  function expectSigned(from: number, offsetMs: number): void {
    const calls = replicas.rig.received().filter(({ at }) => at >= from);
    expect(calls).not.to.have.length(0);
    for (const { iat, at, fault } of calls) {
      expect(fault).to.equal(null);
      expect(iat * 1_000 - (at + offsetMs)).to.be.within(-3_000, 2_000);
    }
  }

  async function tokenAt(replica: Replica): Promise<string> {
    const { clientKey } = replicas.rig.granted.at(-1)!;
    const { id, secret } = await replicas.rig.receiver.ask<{ id: string; secret: string }>({
      ask: 'credentials',
      clientKey,
    });
    const response = await fetch(`${replica.url}/oauth2/token`, {
      method: 'POST',
      headers: { authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}` },
      body: new URLSearchParams({ grant_type: 'client_credentials' }),
    });
    return ((await response.json()) as { access_token: string }).access_token;
  }

  it('of the machines: retries, tokens, events and signatures are as if they were right, through takeovers', async () => {
    const { rig } = replicas;
    for (const [i, replica] of rig.replicas.entries()) await replica.setClock((i - 1) * 2 * HOUR);
    await rig.install('addon');
    const begun = Date.now();

    // A token is good for an hour.
    for (const replica of rig.replicas) {
      const token = await tokenAt(replica);
      for (const other of rig.replicas) {
        const headers = { authorization: `Bearer ${token}` };
        expect((await fetch(`${other.url}/product`, { headers })).status).to.equal(204);
      }
      const { json } = await replica.operator('POST', '/events', {
        ...KINDS[0],
        payload: { n: 1 },
      });
      const event = await replica.operator('GET', `/events/${json.id}`);
      expect(Date.parse(event.json.createdAt)).to.be.closeTo(Date.now(), 2_000);
    }

    await rig.untilSettled(10_000);
    // All but one are killed, and it goes on with what they owe: that is due when it should be.
    for (let i = 0; i < 3; i++) {
      const failed = await oneFailure('addon');
      const [owed] = await rig.listed(`event=${failed}`);
      expect(Date.parse(owed!.nextAttemptAt!) - Date.now()).to.be.within(-1_000, 1_500);
      for (const replica of rig.replicas) {
        if (replica !== rig.replicas[i]) await replicas.kill(replica);
      }
      await until(async () => (await states(failed))[0] === 'delivered', 'the retry', 20_000);
    }
    await rig.untilSettled(10_000);
    expectSigned(begun, 0);
    const early = rig.received().filter(({ attempt, webhookId, at }) => {
      const first = rig.received().find((call) => call.webhookId === webhookId)!;
      return attempt > 1 && at - first.at < 900;
    });
    expect(early).to.deep.equal([]);
  });

  it('of the database, set an hour ahead and back: what fell due comes once, what is not due waits, none is lost', async () => {
    const { rig, url } = replicas;
    await makeClockSettable(url);
    await rig.disturb('terminated', async () => void (await replicas.terminateConnections()));
    await rig.install('addon');
    await rig.install('other', { context: 'other' });
    await rig.behave('other', { status: 503 });
    await rig.startPublisher({ kinds: KINDS, writers: 2, pauseMs: 20 });
    await rig.publish({ context: 'other' });
    const attempts = async () => (await rig.counts('other')).received;
    await until(async () => (await attempts()) === 2, 'two attempts at the other');

    for (const offset of [HOUR, 0, -HOUR, 0]) {
      const before = await attempts();
      // The lease is by that clock: where it has run out, two deliver until the first has noticed.
      await rig.disturb('clock set', async () => {
        await setDatabaseClock(url, offset);
        await sleep(FOLLOWED_MS);
      });
      const from = Date.now();
      await sleep(1_500);
      await until(
        () => rig.received().some(({ at }) => at >= from),
        'a delivery by that clock',
        20_000,
      );
      expectSigned(from, offset);
      // An hour back nothing of before is due; the third attempt is due a minute later at most.
      if (offset < 0) expect((await attempts()) - before).to.be.at.most(1);
    }
    await rig.behave('other', {});
    await rig.stopPublisher();
    await replicas.untilAllTaken();
    // What was published an hour ahead, and not sent before the clock was set back, is due then.
    await rig.disturb('clock set', () => setDatabaseClock(url, HOUR));
    await rig.untilSettled(30_000);
    // What was published at the other did not go through the publisher.
    expectBalanced({ ...(await rig.balance()), unacknowledged: [] });
  });
});
