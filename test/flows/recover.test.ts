// One call that makes an endpoint well again, and what can be seen of how it fares. Seen red: without the end of the
// lane's state in the store, without telling the engine, without the webhooks' switch, without their subscriptions.
import { expect } from 'chai';
import { answer } from '../helpers/fake-addon.ts';
import { type InstalledAddon, installAddon, PUSH } from '../helpers/installed-addon.ts';
import { type RunningHost, startHost } from '../helpers/start-host.ts';
import { until } from '../helpers/until.ts';

describe('a recovery', () => {
  let running: RunningHost;
  let installed: InstalledAddon;
  let path: string;
  let skewMs: number;

  beforeEach(async () => {
    skewMs = 0;
    running = await startHost({ random: () => 0, clock: { now: () => Date.now() + skewMs } });
    installed = await installAddon(running);
    path = `/installations/${installed.installation.id}`;
  });
  afterEach(async () => {
    await running.stop();
    await installed.addon.stop();
  });

  const get = async (at: string) => (await running.operator('GET', at)).json;
  const delivery = async () => (await get(path)).delivery;
  const publish = async () => (await running.operator('POST', '/events', PUSH)).json.id as string;
  const standing = (state: string) =>
    until(async () => {
      const found = await delivery();
      return found.state === state && found;
    }, `deliveries to be ${state}`);

  it('says how deliveries fare, to the operator and to the add-on', async () => {
    const { addon } = installed;
    expect(await delivery()).to.deep.equal({
      state: 'well',
      since: null,
      failures: 0,
      nextProbeAt: null,
      silentUntil: null,
      webhooksOff: [],
    });
    addon.respond = answer(500);
    await publish();
    const failing = await standing('failing');
    expect(failing.failures).to.be.at.least(1);
    expect(Date.parse(failing.since)).to.be.closeTo(Date.now(), 5_000);
    const token = await installed.token();
    const seen = await running.request('GET', '/addon/v1/installation', {
      headers: { authorization: `Bearer ${token}` },
    });
    expect(seen.json.delivery.state).to.equal('failing');
    addon.respond = answer(204);
    await standing('well');
  });

  it('ends the silence an add-on has asked for', async () => {
    const { addon } = installed;
    addon.respond = (_call, response) => response.writeHead(503, { 'retry-after': '3600' }).end();
    await publish();
    const silent = await standing('silent');
    expect(Date.parse(silent.silentUntil) - Date.now()).to.be.within(3_500_000, 3_600_000);
    addon.respond = answer(204);
    await publish();
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(addon.to('/hook')).to.have.length(1);
    const { status, json } = await running.operator('POST', `${path}/recover`);
    expect(status, JSON.stringify(json)).to.equal(200);
    expect(json.replay).to.equal(null);
    await addon.waitFor('/hook', 2);
  });

  it('closes an open breaker: what waited behind it is sent at once', async () => {
    const { addon } = installed;
    addon.respond = answer(500);
    await publish();
    await standing('failing');
    skewMs = 31_000;
    for (let i = 0; i < 10; i++) await publish();
    const open = await standing('open');
    expect(Date.parse(open.nextProbeAt) - Date.now() - skewMs).to.be.within(10_000, 40_000);
    expect(open.failures).to.be.at.least(10);
    addon.respond = answer(204);
    const waiting = await publish();
    const failed = addon.to('/hook').length;
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(addon.to('/hook')).to.have.length(failed);
    await running.operator('POST', `${path}/recover`);
    const next = await addon.waitFor('/hook', failed + 1);
    expect(next.at - Date.now()).to.be.lessThan(5_000);
    await until(
      () => addon.to('/hook').some((call) => call.headers['mortise-event-id'] === waiting),
      'the event that waited',
    );
    await standing('well');
  });

  it('begins no second replay while one to the same installation runs', async () => {
    const { addon } = installed;
    const before = new Date(Date.now() - 1_000).toISOString();
    addon.respond = (_call, response) => {
      response.writeHead(422, { 'webhook-delivery': 'abort-message' }).end();
    };
    for (let i = 0; i < 5; i++) await publish();
    await until(async () => {
      const { items } = (await running.operator('GET', '/deliveries?state=failed')).json;
      return items.length === 5;
    }, 'five failures');
    const body = { installation: installed.installation.id, perSecond: 1 };
    const { json: first } = await running.operator('POST', '/replays', body);
    const { json } = await running.operator('POST', `${path}/recover`, { since: before });
    expect(json.replay.id).to.equal(first.id);
    await running.operator('DELETE', `/replays/${first.id}`);
    const again = await running.operator('POST', `${path}/recover`, { since: before });
    expect(again.json.replay.id).not.to.equal(first.id);
  });

  it('switches on the webhooks that a 410 has switched off, and sends again what was lost', async () => {
    const { addon } = installed;
    const before = new Date(Date.now() - 1_000).toISOString();
    addon.respond = answer(410);
    const lost = await publish();
    const off = await standing('off');
    expect(off.webhooksOff).to.have.length(1);
    expect(off.webhooksOff[0]).to.include({ event: '*', url: `${addon.url}/hook` });
    const refused = await publish();
    await until(async () => {
      const { items } = (await running.operator('GET', `/deliveries?event=${refused}`)).json;
      return items[0]?.reason === 'webhook_off';
    }, 'the next to be refused');
    addon.respond = answer(204);
    const { json } = await running.operator('POST', `${path}/recover`, { since: before });
    expect(json.webhooksOn).to.deep.equal([off.webhooksOff[0].id]);
    expect(json.replay).to.include({ total: 2, allowed: 'then-and-now' });
    expect(json.delivery).to.deep.include({ state: 'well', webhooksOff: [] });
    await addon.waitFor('/hook', 3);
    const again = addon.to('/hook').slice(1);
    expect(again.map(({ headers }) => headers['mortise-event-id'])).to.have.members([
      lost,
      refused,
    ]);
    for (const { headers } of again) expect(headers['mortise-replay']).to.equal(json.replay.id);
    const next = await publish();
    expect((await addon.waitFor('/hook', 4)).headers['mortise-event-id']).to.equal(next);
  });

  it('may be asked for by the add-on itself, for itself alone', async () => {
    const { addon } = installed;
    addon.respond = answer(410);
    await publish();
    await standing('off');
    addon.respond = answer(204);
    const token = await installed.token();
    const ask = (authorization: string, body: unknown = { since: '2026-01-01T00:00:00Z' }) =>
      running.request('POST', '/addon/v1/installation/recover', {
        headers: { authorization, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
    expect((await ask('Bearer nope')).status).to.equal(401);
    expect((await ask(`Bearer ${token}`, { allowed: 'now' })).json.code).to.equal('field_unknown');
    const { status, json } = await ask(`Bearer ${token}`);
    expect(status).to.equal(200);
    expect(json.replay.installation).to.equal(installed.installation.id);
    await addon.waitFor('/hook', 2);
    const answers: number[] = [];
    for (let i = 0; i < 6; i++) answers.push((await ask(`Bearer ${token}`)).status);
    expect(answers.at(-1)).to.equal(429);
  });

  it('reaches the engine in another process', async () => {
    const { addon } = installed;
    const other = await startHost({ database: running.database });
    addon.respond = (_call, response) => response.writeHead(503, { 'retry-after': '3600' }).end();
    await publish();
    await standing('silent');
    addon.respond = answer(204);
    const { status } = await other.operator('POST', `${path}/recover`);
    expect(status).to.equal(200);
    await publish();
    await addon.waitFor('/hook', 2);
    expect((await other.operator('GET', path)).json.delivery.state).not.to.equal('silent');
    await other.stop();
  });

  it('is refused for what is uninstalled, and what is unknown', async () => {
    await running.operator('DELETE', path);
    const refused = await running.operator('POST', `${path}/recover`);
    expect([refused.status, refused.json.code]).to.deep.equal([409, 'installation_not_installed']);
    const unknown = await running.operator('POST', '/installations/nope/recover');
    expect([unknown.status, unknown.json.code]).to.deep.equal([404, 'installation_not_found']);
  });
});
