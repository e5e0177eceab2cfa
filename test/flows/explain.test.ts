import { expect } from 'chai';
import { explainEvent } from '../../src/host/explain-event.ts';
import { answer, type FakeAddon } from '../helpers/fake-addon.ts';
import { changeInside } from '../helpers/inside-database.ts';
import { type InstalledAddon, installAddon, PUSH } from '../helpers/installed-addon.ts';
import { newDatabase } from '../helpers/new-database.ts';
import { type RunningHost, type StartOptions, startHost } from '../helpers/start-host.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';
import { until } from '../helpers/until.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

describe('the explanation of an event', () => {
  let running: RunningHost;
  let addons: FakeAddon[];
  /** How far the host's clock is ahead, in ms. */
  let ahead: number;

  beforeEach(() => {
    addons = [];
    ahead = 0;
  });
  afterEach(async () => {
    await running.stop();
    for (const addon of addons) await addon.stop();
  });

  async function start(options: StartOptions = {}): Promise<void> {
    const clock = { now: () => Date.now() + ahead };
    running = await startHost({ random: () => 0, clock, ...options });
  }

  async function install(
    descriptor: Record<string, unknown> = {},
    request: Record<string, unknown> = {},
  ): Promise<InstalledAddon> {
    const installed = await installAddon(running, { descriptor, request });
    addons.push(installed.addon);
    return installed;
  }

  async function publish(more: Record<string, unknown> = {}): Promise<string> {
    const { status, text, json } = await running.operator('POST', '/events', { ...PUSH, ...more });
    expect(status, text).to.equal(202);
    return json.id;
  }

  async function explanation(id: string, query = '') {
    const { status, text, json } = await running.operator(
      'GET',
      `/events/${id}/explanation${query}`,
    );
    expect(status, text).to.equal(200);
    return json;
  }

  /** Of the one installation there is, as soon as it is what is waited for. */
  async function item(id: string, expected: { state: string; reason?: string }) {
    let last: unknown;
    return until(
      async () => {
        const { items } = await explanation(id);
        last = items[0];
        const { state, reason } = items[0] ?? {};
        return (
          state === expected.state &&
          (expected.reason === undefined || reason === expected.reason) &&
          items[0]
        );
      },
      `${JSON.stringify(expected)}`,
      5_000,
    ).catch((error: Error) => {
      throw new Error(`${error.message}; it is ${JSON.stringify(last)}`);
    });
  }

  const change = (installed: InstalledAddon, body: Record<string, unknown>) =>
    running.operator('PATCH', `/installations/${installed.installation.id}`, body);

  /** Once more, from a descriptor that has changed. */
  async function reinstall({ addon }: InstalledAddon, descriptor: Record<string, unknown> = {}) {
    Object.assign(addon.descriptor, descriptor);
    const { descriptorUrl } = addon;
    const again = await running.operator('POST', '/installations', {
      descriptorUrl,
      context: 'acme',
    });
    expect(again.status, again.text).to.equal(201);
  }

  describe('that was sent', () => {
    it('says when it was delivered, and what was left out for which scope', async () => {
      await start();
      await install();
      const { example } = (await running.operator('GET', '/event-types/repo:push')).json;
      const id = await publish({ payload: example });
      const found = await item(id, { state: 'delivered' });
      expect(found).to.include({ addonKey: 'fake-addon', reason: null, since: null });
      expect(found.message).to.match(
        /^Delivered at \S+, after 1 attempt, without \d+ fields \(which need .*"email"/,
      );
      expect(found.deliveries).to.have.length(1);
      const [delivery] = found.deliveries;
      expect(delivery).to.include({ state: 'delivered', attemptCount: 1, nextAttemptAt: null });
      expect(delivery.lastAttempt).to.include({ status: 204, number: 1 });
      expect(delivery.withheld).to.deep.include({ pointer: '/actor/email', scope: 'email' });
      expect(found.today.withheld).to.deep.equal(delivery.withheld);
      const log = (await running.operator('GET', `/deliveries/${delivery.id}`)).json;
      expect(log.eventId).to.equal(id);
    });

    it('says that it failed for good, and of the next that the webhook is switched off', async () => {
      await start();
      const installed = await install();
      installed.addon.respond = answer(410);
      const failed = await item(await publish(), { state: 'failed', reason: 'gone' });
      expect(failed.message).to.match(/^Failed at \S+, after 1 attempt: The add-on answered 410/);
      expect(failed.today).to.include({ wouldBeSent: false, reason: 'webhook_off' });
      const next = await publish();
      const off = await item(next, { state: 'dropped', reason: 'webhook_off' });
      expect(Date.parse(off.since)).to.be.at.least(Date.parse(failed.deliveries[0].lastAttempt.at));
      installed.addon.respond = answer(204);
      await reinstall(installed);
      const on = await item(next, { state: 'dropped', reason: 'webhook_off' });
      expect(on.since).to.equal(off.since);
      expect(Date.parse(on.until)).to.be.above(Date.parse(on.since));
      expect(on.today.wouldBeSent).to.equal(true);
    });

    it('tells of the webhook that is worst off, and of the others', async () => {
      await start({ random: () => 1 - Number.EPSILON });
      const installed = await install({
        modules: {
          webhooks: [
            { event: 'repo:push', url: '/good' },
            { event: '*', url: '/bad' },
          ],
        },
      });
      installed.addon.respond = (call, response) =>
        response.writeHead(call.url === '/bad' ? 500 : 204).end();
      const id = await publish();
      await until(
        async () =>
          (await running.operator('GET', `/deliveries?event=${id}&state=delivered`)).json.items[0],
        'the good one',
      );
      const found = await item(id, { state: 'owed', reason: 'retrying' });
      expect(found.deliveries.map((d: { state: string }) => d.state)).to.deep.equal([
        'retrying',
        'delivered',
      ]);
      expect(found.deliveries[1].message).to.match(/^Delivered at /);
      expect((await explanation(id)).summary).to.include({ owed: 1, delivered: 0 });
    });

    const drops: [title: string, body: Record<string, unknown>, reason: string][] = [
      ['disabled', { state: 'disabled' }, 'disabled'],
      ['left without the scope', { scopes: ['issue'] }, 'scope_revoked'],
      ['left without the resource', { resources: ['acme/other'] }, 'resource_revoked'],
    ];
    for (const [title, body, reason] of drops) {
      it(`says that it was dropped because the installation was ${title}, and since when`, async () => {
        await start();
        const installed = await install({ scopes: ['repository', 'issue'] });
        installed.addon.respond = answer(503);
        const id = await publish();
        await item(id, { state: 'owed', reason: 'retrying' });
        await change(installed, body);
        const refused = (await explanation(id)).items[0];
        if (refused.state === 'owed')
          expect(refused.message).to.match(/As things stand it will be dropped: /);
        const dropped = await item(id, { state: 'dropped', reason });
        expect(Date.parse(dropped.since)).to.be.within(
          Date.parse((await explanation(id)).event.createdAt),
          Date.parse(dropped.deliveries[0].lastAttempt.at),
        );
        expect(dropped.whenPublished.wouldBeSent).to.equal(true);
        expect(dropped.today).to.include({ wouldBeSent: false, reason });
      });
    }
  });

  describe('that is owed', () => {
    it('says that the engine has not come to it', async () => {
      await start({ paused: true });
      await install();
      const id = await publish();
      const found = await item(id, { state: 'owed', reason: 'not_fanned_out' });
      expect(found.deliveries).to.deep.equal([]);
      expect((await explanation(id)).summary).to.include({ owed: 1, notSent: 0 });
      await running.host.start();
      await item(id, { state: 'delivered' });
    });

    it('says what went wrong, when it is tried again, and until when', async () => {
      await start({ random: () => 1 - Number.EPSILON });
      const installed = await install();
      installed.addon.respond = answer(503);
      const found = await item(await publish(), { state: 'owed', reason: 'retrying' });
      expect(found.message).to.match(/^It is tried again, .* The add-on answered 503\./);
      const [delivery] = found.deliveries;
      expect(delivery).to.include({ state: 'retrying', attemptCount: 1 });
      expect(delivery.lastAttempt).to.include({ status: 503, reason: 'status_503' });
      expect(Date.parse(delivery.expiresAt) - Date.parse(delivery.nextAttemptAt)).to.be.above(HOUR);
      expect(found.today.wouldBeSent).to.equal(true);
    });

    it('says until when the add-on asked for silence', async () => {
      await start();
      const installed = await install();
      installed.addon.respond = (_call, response) =>
        response.writeHead(429, { 'retry-after': '3600' }).end();
      const id = await publish();
      const found = await item(id, { state: 'owed', reason: 'silenced' });
      expect(Date.parse(found.waits.until) - Date.now()).to.be.within(HOUR - 20_000, HOUR);
    });

    it('says which event of its order goes before', async () => {
      await start();
      const installed = await install();
      installed.addon.respond = answer(503);
      const first = await publish({ orderingKey: 'main' });
      await item(first, { state: 'owed', reason: 'retrying' });
      const second = await publish({ orderingKey: 'main' });
      const found = await item(second, { state: 'owed', reason: 'behind_another' });
      expect(found.waits.behindEventId).to.equal(first);
      expect(found.message).to.include(first);
    });

    it('says that the breaker is open, and since when webhooks are paused', async () => {
      await start();
      const installed = await install();
      installed.addon.respond = answer(500);
      for (let i = 0; i < 20; i++) await publish();
      await installed.addon.waitFor('/hook', 20);
      ahead += 31_000;
      const id = await publish();
      const open = await item(id, { state: 'owed', reason: 'breaker_open' });
      expect(open.waits.since).to.be.a('string');
      expect(open.message).to.match(/only one at a time is tried/);
      ahead += 6 * DAY;
      const paused = await item(await publish(), { state: 'owed', reason: 'paused' });
      expect(Date.parse(paused.waits.since)).to.be.above(Date.now() + 5 * DAY);
    });

    it('says which address is refused', async () => {
      const database = await newDatabase(temporaryFolder());
      await start({ database });
      await install();
      await running.stop();
      // As if its name had come to resolve to this machine, which production does not call.
      await changeInside(database, `UPDATE webhooks SET url = 'https://127.0.0.1/hook'`);
      await start({ database, dev: false, baseUrl: 'https://code.example' });
      const { id } = await running.host.publish(PUSH);
      const found = await until(async () => {
        const { items } = await explainEvent(id, { limit: 1 }, running.host.parts);
        return items[0]!.wait?.reason === 'retrying' && items[0];
      }, 'the refusal');
      expect(found.deliveries[0]!.last!.reason).to.equal('address_private');
      expect(found.message).to.match(/127\.0\.0\.1/);
    });
  });

  describe('that was not sent', () => {
    beforeEach(() => start());

    it('says that the descriptor declares no webhook for it, and since when it does', async () => {
      const installed = await install({
        scopes: ['repository', 'issue'],
        modules: { webhooks: [{ event: 'issue:created', url: '/hook' }] },
      });
      const id = await publish();
      const never = await item(id, { state: 'notSent', reason: 'not_subscribed' });
      expect(never).to.include({ since: null, until: null });
      await reinstall(installed, { modules: { webhooks: [{ event: 'repo:push', url: '/hook' }] } });
      const later = await item(id, { state: 'notSent', reason: 'webhook_declared_later' });
      expect(later.today.wouldBeSent).to.equal(true);
      await reinstall(installed, {
        modules: { webhooks: [{ event: 'issue:created', url: '/hook' }] },
      });
      const removed = await item(await publish(), { state: 'notSent', reason: 'webhook_removed' });
      expect(Date.parse(removed.since)).to.be.above(Date.parse(later.until));
      // What was so then stays so, whatever is declared today.
      await item(id, { state: 'notSent', reason: 'webhook_declared_later' });
    });

    it('names the scope that is not granted, and where an operator can approve it', async () => {
      const installed = await install({ scopes: ['repository', 'issue'] }, { scopes: ['issue'] });
      const id = await publish();
      const found = await item(id, { state: 'notSent', reason: 'scope_not_granted' });
      expect(found.needs).to.deep.equal({ scope: 'repository' });
      expect(found.message).to.include(`approve it: ${running.url}/operator/installations/new?`);
      const link = new URL(found.approveUrl);
      expect(Object.fromEntries(link.searchParams)).to.deep.equal({
        descriptorUrl: installed.addon.descriptorUrl,
        context: 'acme',
      });
      await change(installed, { scopes: ['repository'] });
      const later = await item(id, { state: 'notSent', reason: 'scope_granted_later' });
      expect(later.today.wouldBeSent).to.equal(true);
      expect(later.approveUrl).to.equal(null);
      await change(installed, { scopes: ['issue'] });
      const revoked = await item(await publish(), { state: 'notSent', reason: 'scope_revoked' });
      expect(Date.parse(revoked.since)).to.be.above(Date.parse(later.until));
    });

    it('says that the descriptor does not even ask for the scope', async () => {
      await install({ scopes: ['issue'] });
      const found = await item(await publish(), { state: 'notSent', reason: 'scope_not_granted' });
      expect(found.approveUrl).to.equal(null);
      expect(found.message).to.match(/Its descriptor does not ask for it\.$/);
    });

    it('names the resource that is not chosen', async () => {
      const installed = await install({}, { resources: ['acme/other'] });
      const id = await publish();
      const found = await item(id, { state: 'notSent', reason: 'resource_not_granted' });
      expect(found.needs).to.deep.equal({ resource: 'acme/site' });
      expect(found.message).to.include('"acme/site"');
      await item(await publish({ resource: undefined }), {
        state: 'notSent',
        reason: 'resource_missing',
      });
      await change(installed, { resources: ['acme/site'] });
      await item(id, { state: 'notSent', reason: 'resource_granted_later' });
      await change(installed, { resources: ['acme/other'] });
      await item(await publish(), { state: 'notSent', reason: 'resource_revoked' });
    });

    it('says that it was disabled, from when to when', async () => {
      const installed = await install();
      await change(installed, { state: 'disabled' });
      const id = await publish();
      const still = await item(id, { state: 'notSent', reason: 'disabled' });
      expect(still.until).to.equal(null);
      await change(installed, { state: 'enabled' });
      const was = await item(id, { state: 'notSent', reason: 'disabled' });
      expect(was.since).to.equal(still.since);
      expect(was.today.wouldBeSent).to.equal(true);
    });

    it('says that it was installed only afterwards, or was away', async () => {
      const early = await publish();
      expect((await explanation(early)).items).to.deep.equal([]);
      const installed = await install();
      await item(early, { state: 'notSent', reason: 'installed_later' });
      await running.operator('DELETE', `/installations/${installed.installation.id}`);
      const away = await publish();
      // Neither installed then nor now: nobody who could have been told.
      expect((await explanation(away)).items).to.deep.equal([]);
      await reinstall(installed);
      const found = await item(away, { state: 'notSent', reason: 'uninstalled' });
      expect(found.until).to.be.a('string');
      const one = await explanation(early, `?installation=${installed.installation.id}`);
      expect(one.items[0].reason).to.equal('installed_later');
    });

    it('still tells of one that was uninstalled since', async () => {
      const installed = await install();
      const id = await publish();
      await item(id, { state: 'delivered' });
      await running.operator('DELETE', `/installations/${installed.installation.id}`);
      const found = await item(id, { state: 'delivered' });
      expect(found.today).to.include({ wouldBeSent: false, reason: 'uninstalled' });
      expect(found.today.since).to.be.a('string');
    });

    it('of one context says of an installation in another that it is there', async () => {
      await install();
      const other = await install({ key: 'other' }, { context: 'elsewhere' });
      const id = await publish();
      await item(id, { state: 'delivered' });
      const { items, summary } = await explanation(id, `?installation=${other.installation.id}`);
      expect(items).to.have.length(1);
      expect(items[0]).to.include({ state: 'notSent', reason: 'other_context' });
      expect(summary).to.equal(null);
    });
  });

  it('is empty where nobody is installed', async () => {
    await start();
    const { event, items, next, summary } = await explanation(await publish());
    expect(event).to.include({ type: 'repo:push', context: 'acme', resource: 'acme/site' });
    expect({ items, next }).to.deep.equal({ items: [], next: null });
    expect(summary).to.deep.equal({ delivered: 0, owed: 0, failed: 0, dropped: 0, notSent: 0 });
  });

  it('can be narrowed by state, in pages, with a sum of all on the first', async () => {
    await start();
    for (const [key, scopes] of [
      ['a', ['repository']],
      ['b', ['issue']],
      ['c', ['repository']],
      ['d', ['issue']],
      ['e', ['repository']],
    ] as const)
      await install({ key, scopes });
    const id = await publish();
    await until(async () => (await explanation(id)).summary.delivered === 3, 'the deliveries');
    const first = await explanation(id, '?state=notSent&limit=1');
    expect(first.items.map((i: { addonKey: string }) => i.addonKey)).to.deep.equal(['d']);
    expect(first.summary).to.include({ delivered: 3, notSent: 2 });
    const second = await explanation(id, `?state=notSent&limit=1&after=${first.next}`);
    expect(second.items.map((i: { addonKey: string }) => i.addonKey)).to.deep.equal(['b']);
    expect(second).to.include({ next: null, summary: null });
    expect((await explanation(id, '?state=failed')).items).to.deep.equal([]);
    const wrong = await running.operator('GET', `/events/${id}/explanation?state=lost`);
    expect(wrong.json).to.include({ code: 'field_invalid' });
  });

  it('is 404 for an unknown event, and for an unknown installation', async () => {
    await start();
    const nobody = '01900000-0000-7000-8000-000000000000';
    const unknown = await running.operator('GET', `/events/${nobody}/explanation`);
    expect([unknown.status, unknown.json.code]).to.deep.equal([404, 'not_found']);
    const id = await publish();
    const of = await running.operator('GET', `/events/${id}/explanation?installation=${nobody}`);
    expect([of.status, of.json.code]).to.deep.equal([404, 'installation_not_found']);
  });

  it('is 410 when the event is past its retention, and says where the log of it is', async () => {
    await start();
    await install();
    const told = await publish();
    await item(told, { state: 'delivered' });
    const untold = await publish({ context: 'empty' });
    await until(
      async () => (await explanation(untold)).summary.owed === 0,
      'the fan-out of what nobody is told of',
    );
    await running.host.parts.store.engine.turnDays(Date.now() + 3 * DAY, {
      events: DAY,
      attempts: 30 * DAY,
    });
    for (const path of ['', '/explanation']) {
      const gone = await running.operator('GET', `/events/${told}${path}`);
      expect(gone.status, gone.text).to.equal(410);
      expect(gone.json).to.include({
        code: 'event_expired',
        deliveries: `/operator/v1/deliveries?event=${told}`,
      });
      const log = await running.operator('GET', gone.json.deliveries.replace('/operator/v1', ''));
      expect(log.json.items[0]).to.include({ state: 'delivered', eventId: told });
      const nothing = await running.operator('GET', `/events/${untold}${path}`);
      expect([nothing.status, nothing.json.code]).to.deep.equal([410, 'event_expired']);
    }
  });
});
