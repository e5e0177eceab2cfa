// Several hosts on one PostgreSQL: all of them send, each event comes once, and events of one order stay in it while
// hosts come and go.
//
// Seen red: an engine that goes on with what it has handed over; one that does not hear of what others made due; an
// outbox whose bucket is chosen without the order.
import { expect } from 'chai';
import { type FakeAddon, fakeAddon } from '../helpers/fake-addon.ts';
import { PUSH } from '../helpers/installed-addon.ts';
import { migratedDatabase } from '../helpers/postgres.ts';
import { type RunningHost, startHost } from '../helpers/start-host.ts';
import { until } from '../helpers/until.ts';

const CONTEXTS = 24;
const EVENTS = 240;

describe('several hosts on one PostgreSQL', function () {
  this.timeout(60_000);
  let database: string;
  let hosts: RunningHost[];
  let addon: FakeAddon;
  let installations: string[];

  beforeEach(async () => {
    database = await migratedDatabase();
    hosts = [];
    addon = await fakeAddon();
    installations = [];
  });
  afterEach(async () => {
    for (const host of hosts) await host.stop();
    await addon.stop();
  });

  const start = async () => {
    const host = await startHost({ database });
    hosts.push(host);
    return host;
  };
  const untilShared = (host: RunningHost, buckets: number) =>
    until(
      async () => (await gauge(host, 'mortise_buckets')) === buckets,
      `a share of ${buckets} buckets`,
    );
  const contextOf = (n: number) => `context-${n % CONTEXTS}`;
  const came = () => addon.to('/hook').map(({ json }) => Number(json.data.actor.nickname));
  async function install(): Promise<void> {
    for (let n = 0; n < CONTEXTS; n++) {
      const { status, json, text } = await hosts[0]!.operator('POST', '/installations', {
        descriptorUrl: addon.descriptorUrl,
        context: contextOf(n),
      });
      expect(status, text).to.equal(201);
      installations.push(json.id);
    }
  }
  const publish = ({ host }: RunningHost, n: number, orderingKey?: string) =>
    host.publish({
      ...PUSH,
      context: contextOf(n),
      orderingKey,
      payload: { ...PUSH.payload, actor: { nickname: String(n) } },
    });

  it('send a share each, of what any of them publishes, and each event once', async () => {
    for (let i = 0; i < 3; i++) await start();
    await install();
    await until(async () => {
      const sizes = await Promise.all(hosts.map((host) => gauge(host, 'mortise_buckets')));
      return String(sizes.sort()) === '84,86,86';
    }, 'a third of the buckets for each');
    for (let n = 0; n < EVENTS; n++) await publish(hosts[n % 3]!, n);
    await until(() => came().length >= EVENTS, 'all deliveries', 20_000);
    expect(came().sort((a, b) => a - b)).to.deep.equal(Array.from({ length: EVENTS }, (_, n) => n));
    await until(async () => (await sum('mortise_owed')) === 0, 'nothing to be owed');
    const sent = await Promise.all(
      hosts.map((host) =>
        gauge(host, 'mortise_delivery_attempt_duration_seconds_count{outcome="delivered"}'),
      ),
    );
    expect(sent.reduce((a, b) => a + b)).to.equal(EVENTS);
    for (const count of sent) expect(count).to.be.greaterThan(0);
  });

  it('keep the events of one order in it, while one starts and another stops', async () => {
    const first = await start();
    await install();
    addon.respond = (_call, response) => void setTimeout(() => response.writeHead(204).end(), 5);
    let n = 0;
    let isOver = false;
    const publishing = (async () => {
      for (; !isOver; n++) {
        const host = hosts[n % hosts.length]!;
        await publish(host, n, contextOf(n));
      }
    })();
    const second = await start();
    await untilShared(second, 128);
    await start();
    await untilShared(second, 86);
    hosts = [second, hosts[2]!];
    await first.stop();
    await untilShared(second, 128);
    isOver = true;
    await publishing;
    await until(() => came().length >= n, 'all deliveries', 20_000);
    for (let context = 0; context < CONTEXTS; context++) {
      const numbers = came().filter((number) => number % CONTEXTS === context);
      expect(numbers).to.deep.equal([...numbers].sort((a, b) => a - b));
    }
    expect(came()).to.have.length(n);
    expect(n).to.be.greaterThan(30);
  });

  it('tell whoever sends of a replay and of a recovery, wherever these are asked for', async () => {
    for (let i = 0; i < 2; i++) await start();
    await install();
    await untilShared(hosts[1]!, 128);
    addon.respond = (_call, response) => response.writeHead(429, { 'retry-after': '3600' }).end();
    for (let n = 0; n < CONTEXTS; n++) await publish(hosts[0]!, n);
    await until(() => came().length === CONTEXTS, 'all to ask for silence');
    for (let n = 0; n < CONTEXTS; n++) await publish(hosts[1]!, n);
    addon.respond = (_call, response) => response.writeHead(204).end();
    for (const id of installations) {
      const answer = await hosts[0]!.operator('POST', `/installations/${id}/recover`);
      expect(answer.status, answer.text).to.be.lessThan(300);
    }
    await until(() => came().length === 2 * CONTEXTS, 'all to be sent what waited');
    const listed = async (state: string) =>
      (await hosts[0]!.operator('GET', `/deliveries?state=${state}&limit=100`)).json.items.length;
    await until(async () => (await listed('delivered')) === CONTEXTS, 'it to be recorded');
    await hosts[1]!.operator('POST', '/replays', { eventType: PUSH.type, state: 'delivered' });
    await until(() => came().length === 3 * CONTEXTS, 'all to be sent once more');
  });

  async function sum(name: string): Promise<number> {
    const values = await Promise.all(hosts.map((host) => gauge(host, name)));
    return values.reduce((a, b) => a + b, 0);
  }
});

async function gauge(host: RunningHost, name: string): Promise<number> {
  const { text } = await host.request('GET', '/metrics');
  const line = text.split('\n').find((each) => each.startsWith(`${name} `));
  return line === undefined ? 0 : Number(line.split(' ')[1]);
}
