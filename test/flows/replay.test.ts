// Sending again what was owed. Seen red: without the gate's look at what a replay allows, without the check for what is
// owed already, with copies taken for originals (newId then never ends), without the pause between chunks.
import { expect } from 'chai';
import { answer } from '../helpers/fake-addon.ts';
import { type InstalledAddon, installAddon, PUSH } from '../helpers/installed-addon.ts';
import { type Answer, type RunningHost, startHost } from '../helpers/start-host.ts';
import { until } from '../helpers/until.ts';

const DAY_MS = 24 * 3_600_000;

describe('a replay', () => {
  let running: RunningHost;
  let installed: InstalledAddon;
  let skewMs: number;

  beforeEach(async () => {
    skewMs = 0;
    running = await startHost({ random: () => 0, clock: { now: () => Date.now() + skewMs } });
    installed = await installAddon(running, { descriptor: { scopes: ['repository', 'issue'] } });
  });
  afterEach(async () => {
    await running.stop();
    await installed.addon.stop();
  });

  const get = async (path: string) => (await running.operator('GET', path)).json;

  async function publish(count = 1, own: Record<string, unknown> = {}): Promise<string[]> {
    const ids: string[] = [];
    for (let i = 0; i < count; i++) {
      const { json, text } = await running.operator('POST', '/events', { ...PUSH, ...own });
      expect(json.id, text).to.be.a('string');
      ids.push(json.id);
    }
    return ids;
  }

  /** So many deliveries of this state are in the log. */
  async function ended(state: string, count: number): Promise<{ id: string; reason: string }[]> {
    return until(async () => {
      const { items } = await get(`/deliveries?state=${state}&limit=200`);
      return items.length === count && items;
    }, `${count} deliveries to be ${state}`);
  }

  /** Events that failed for good: their attempts are aborted by the add-on. */
  async function fail(count: number, own: Record<string, unknown> = {}): Promise<void> {
    const { addon } = installed;
    const before = (await get('/deliveries?state=failed&limit=200')).items.length;
    addon.respond = (_call, response) =>
      response.writeHead(500, { 'webhook-delivery': 'abort-message' }).end();
    await publish(count, own);
    await ended('failed', before + count);
    addon.respond = answer(204);
    addon.calls.length = 0;
  }

  function replay(body: Record<string, unknown> = {}): Promise<Answer> {
    return running.operator('POST', '/replays', { perSecond: 1000, ...body });
  }

  /** The replay, once everything it made due has ended. */
  // biome-ignore lint/suspicious/noExplicitAny: the operator API's view
  async function over(id: string): Promise<any> {
    return until(async () => {
      const view = await get(`/replays/${id}`);
      return view.state === 'done' && view.results.owed === 0 && view;
    }, 'the replay to be over');
  }

  describe('of one delivery', () => {
    it('is sent again with the same webhook-id and a header that names the replay, and the log keeps both', async () => {
      const { addon } = installed;
      await publish();
      const first = await addon.waitFor('/hook');
      const [delivery] = await ended('delivered', 1);
      const answered = await running.operator('POST', `/deliveries/${delivery!.id}/replay`);
      expect(answered.status).to.equal(202);
      expect(answered.json).to.include({ id: delivery!.id, alreadyDelivered: true });
      expect(answered.json.warnings[0].code).to.equal('already_delivered');
      const second = await addon.waitFor('/hook', 2);
      expect(second.headers['webhook-id']).to.equal(first.headers['webhook-id']);
      expect(second.headers['mortise-replay']).to.equal(answered.json.replayId);
      expect(first.headers).not.to.have.property('mortise-replay');
      expect(second.body.equals(first.body)).to.equal(true);
      const view = await over(answered.json.replayId);
      expect(view).to.deep.include({ total: 1, done: 1, alreadyDelivered: 1 });
      expect(view.results).to.deep.equal({ delivered: 1, failed: 0, dropped: 0, owed: 0 });
      const { attempts, replayId } = await get(`/deliveries/${delivery!.id}`);
      expect(attempts.map((a: { replayId: string | null }) => a.replayId)).to.deep.equal([
        null,
        answered.json.replayId,
      ]);
      expect(replayId).to.equal(answered.json.replayId);
    });

    it('with newId is a delivery of its own', async () => {
      const { addon } = installed;
      await publish();
      const first = await addon.waitFor('/hook');
      const [delivery] = await ended('delivered', 1);
      const { json } = await running.operator('POST', `/deliveries/${delivery!.id}/replay`, {
        newId: true,
      });
      const second = await addon.waitFor('/hook', 2);
      expect(second.headers['webhook-id']).to.equal(json.id);
      expect(json.id).not.to.equal(first.headers['webhook-id']);
      expect(second.headers['mortise-event-id']).to.equal(first.headers['mortise-event-id']);
      await ended('delivered', 2);
      expect((await get(`/deliveries/${json.id}`)).state).to.equal('delivered');
    });

    it('is owed for 72 hours anew', async () => {
      const { addon } = installed;
      await fail(1);
      const [delivery] = await ended('failed', 1);
      skewMs = 4 * DAY_MS;
      addon.respond = answer(503);
      await running.operator('POST', `/deliveries/${delivery!.id}/replay`);
      await addon.waitFor('/hook');
      await ended('retrying', 1);
      addon.respond = answer(204);
      await addon.waitFor('/hook', 2);
      await ended('delivered', 1);
    });

    it('is refused while it is owed: 409', async () => {
      installed.addon.respond = answer(503);
      await publish();
      const [delivery] = await ended('retrying', 1);
      const { status, json } = await running.operator('POST', `/deliveries/${delivery!.id}/replay`);
      expect([status, json.code]).to.deep.equal([409, 'delivery_owed']);
      expect((await get('/replays')).items).to.deep.equal([]);
    });

    it('is refused while a copy of it is owed: 409', async () => {
      const { addon } = installed;
      await publish();
      const [delivery] = await ended('delivered', 1);
      addon.respond = answer(503);
      const path = `/deliveries/${delivery!.id}/replay`;
      expect((await running.operator('POST', path, { newId: true })).status).to.equal(202);
      await ended('retrying', 1);
      const { status, json } = await running.operator('POST', path, { newId: true });
      expect([status, json.code]).to.deep.equal([409, 'delivery_owed']);
      addon.respond = answer(204);
      await ended('delivered', 2);
      expect((await running.operator('POST', path, { newId: true })).status).to.equal(202);
    });

    it('is refused when its event is past retention: 410', async () => {
      await publish();
      const [delivery] = await ended('delivered', 1);
      await forgetEvents();
      const { status, json } = await running.operator('POST', `/deliveries/${delivery!.id}/replay`);
      expect([status, json.code]).to.deep.equal([410, 'event_expired']);
    });

    it('of no delivery is refused: 404', async () => {
      const { status, json } = await running.operator('POST', '/deliveries/nope/replay');
      expect([status, json.code]).to.deep.equal([404, 'not_found']);
    });
  });

  async function forgetEvents(): Promise<void> {
    const { engine } = running.host.parts.store;
    await engine.turnDays(Date.now() + 30 * DAY_MS, { events: DAY_MS, attempts: 90 * DAY_MS });
  }

  describe('passes today’s gate', () => {
    const rows: [string, (path: string) => Promise<unknown>, string][] = [
      [
        'its scope was revoked since',
        (path) => running.operator('PATCH', path, { scopes: ['issue'] }),
        'scope_not_granted',
      ],
      [
        'its resource is no longer chosen',
        (path) => running.operator('PATCH', path, { resources: ['acme/other'] }),
        'resource_not_granted',
      ],
      [
        'the installation is disabled',
        (path) => running.operator('PATCH', path, { state: 'disabled' }),
        'disabled',
      ],
      ['the add-on was uninstalled', (path) => running.operator('DELETE', path), 'uninstalled'],
    ];
    for (const [title, change, reason] of rows) {
      for (const allowed of ['then-and-now', 'now']) {
        it(`and is dropped when ${title} (${allowed})`, async () => {
          await fail(1);
          const [delivery] = await ended('failed', 1);
          await change(`/installations/${installed.installation.id}`);
          const { json } = await running.operator('POST', `/deliveries/${delivery!.id}/replay`, {
            allowed,
          });
          const view = await over(json.replayId);
          expect(view.results.dropped).to.equal(1);
          const dropped = await get(`/deliveries/${delivery!.id}`);
          expect(dropped).to.include({ state: 'dropped', reason });
          expect(dropped.attempts.at(-1)).to.include({ number: 0, replayId: json.replayId });
          expect(installed.addon.to('/hook')).to.deep.equal([]);
        });
      }
    }

    it('and carries no field whose scope was revoked since', async () => {
      const { addon } = installed;
      const all = await installAddon(running, {
        descriptor: { key: 'mailer', scopes: ['repository', 'email'] },
      });
      const actor = { display_name: 'Alice', email: 'alice@example.test' };
      await publish(1, { payload: { ...PUSH.payload, actor } });
      const first = await all.addon.waitFor('/hook');
      expect(first.body.toString()).to.include('alice@example.test');
      await addon.waitFor('/hook');
      await ended('delivered', 2);
      await running.operator('PATCH', `/installations/${all.installation.id}`, {
        scopes: ['repository'],
      });
      await replay({ installation: all.installation.id, state: 'any' });
      const second = await all.addon.waitFor('/hook', 2);
      expect(second.body.toString()).not.to.include('alice@example.test');
      expect(second.headers['mortise-withheld']).to.match(/scope=email/);
      await all.addon.stop();
    });
  });

  describe('of many', () => {
    it('takes what did not arrive, and its dry run counts just that', async () => {
      const { addon } = installed;
      await publish(2);
      await ended('delivered', 2);
      await fail(3);
      const dry = await replay({ dryRun: true });
      expect(dry.status).to.equal(200);
      expect(dry.json).to.deep.include({ count: 3, alreadyDelivered: 0 });
      expect((await get('/replays')).items).to.deep.equal([]);
      const { status, json } = await replay();
      expect(status).to.equal(202);
      expect(json).to.deep.include({ total: 3, warnings: [] });
      const view = await over(json.id);
      expect(view).to.include({ done: dry.json.count, state: 'done' });
      expect(addon.to('/hook')).to.have.length(dry.json.count);
      for (const { headers } of addon.to('/hook'))
        expect(headers['mortise-replay']).to.equal(json.id);
      expect((await get('/replays')).items[0]).to.deep.equal(view);
      expect((await replay({ dryRun: true })).json.count).to.equal(0);
    });

    it('can be narrowed by installation, event type, event, time and state', async () => {
      const other = await installAddon(running, { descriptor: { key: 'other' } });
      const [push] = await publish();
      await ended('delivered', 2);
      // Ids, and what is selected by them, are by the millisecond.
      skewMs += 2;
      const middle = new Date(Date.now() + skewMs - 1).toISOString();
      await publish(1, { type: 'issue:created', payload: { issue: { id: 1, title: 'One' } } });
      await ended('delivered', 3);
      const rows: [Record<string, unknown>, number][] = [
        [{ state: 'any' }, 3],
        [{ state: 'delivered' }, 3],
        [{ state: 'failed' }, 0],
        [{ state: 'any', installation: other.installation.id }, 1],
        [{ state: 'any', eventType: 'repo:push' }, 2],
        [{ state: 'any', eventType: 'issue:created' }, 1],
        [{ state: 'any', event: push }, 2],
        [{ state: 'any', since: middle }, 1],
        [{ state: 'any', until: middle }, 2],
      ];
      for (const [body, count] of rows) {
        const { json } = await replay({ ...body, dryRun: true });
        expect(json.count, JSON.stringify(body)).to.equal(count);
      }
      await other.addon.stop();
    });

    it('says how many were delivered before', async () => {
      await publish(2);
      await ended('delivered', 2);
      const { json } = await replay({ state: 'any' });
      expect(json).to.include({ total: 2, alreadyDelivered: 2 });
      expect(json.warnings[0].message).to.match(/^2 of 2 were delivered before/);
    });

    it('with newId sends each once, under an id of its own', async () => {
      const { addon } = installed;
      await publish(5);
      await ended('delivered', 5);
      const old = addon.to('/hook').map(({ headers }) => headers['webhook-id']);
      const { json } = await replay({ state: 'any', newId: true, perSecond: 10 });
      expect((await over(json.id)).done).to.equal(5);
      const ids = addon.to('/hook').map(({ headers }) => headers['webhook-id']);
      expect(ids).to.have.length(10);
      expect(new Set(ids).size).to.equal(10);
      expect(ids.slice(0, 5)).to.deep.equal(old);
      // The copies stand for nothing more: the originals do.
      expect((await replay({ state: 'any', dryRun: true })).json.count).to.equal(5);
    });

    it('passes over what is owed already, and counts it', async () => {
      const { addon } = installed;
      await fail(2);
      const [one] = await ended('failed', 2);
      addon.respond = answer(503);
      await running.operator('POST', `/deliveries/${one!.id}/replay`);
      await ended('retrying', 1);
      const dry = await replay({ dryRun: true });
      expect(dry.json).to.deep.include({ count: 1, skipped: { owed: 1, eventExpired: 0 } });
      const { json } = await replay();
      const view = await until(async () => {
        const found = await get(`/replays/${json.id}`);
        return found.state === 'done' && found;
      }, 'the replay to be done');
      expect(view).to.deep.include({ done: 1, skipped: { owed: 1, eventExpired: 0 } });
    });

    it('passes over events past retention, and counts them', async () => {
      await fail(2);
      await forgetEvents();
      const { json } = await replay();
      expect(json.total).to.equal(0);
      const view = await over(json.id);
      expect(view).to.deep.include({ done: 0, skipped: { owed: 0, eventExpired: 2 } });
    });

    it('goes no faster than it was asked to', async () => {
      const { addon } = installed;
      await fail(12);
      const { json } = await replay({ perSecond: 10 });
      await over(json.id);
      const times = addon.to('/hook').map(({ at }) => at);
      // Chunks of two, five a second: the last begins a second after the first.
      expect(times.at(-1)! - times[0]!).to.be.within(900, 4_000);
      for (let i = 0; i < times.length; i++) {
        const inAHalf = times.filter((at) => at >= times[i]! && at < times[i]! + 450);
        expect(inAHalf.length).to.be.at.most(6);
      }
    });

    it('asked for in another process is made due by the one that runs the engine', async () => {
      await fail(2);
      const other = await startHost({ database: running.database });
      const { status, json } = await other.operator('POST', '/replays', {});
      expect(status).to.equal(202);
      await installed.addon.waitFor('/hook', 2);
      await over(json.id);
      await other.stop();
    });

    it('that is cancelled makes nothing more due', async () => {
      const { addon } = installed;
      await fail(6);
      const { json } = await replay({ perSecond: 2 });
      await addon.waitFor('/hook');
      const cancelled = await running.operator('DELETE', `/replays/${json.id}`);
      expect([cancelled.status, cancelled.json.state]).to.deep.equal([200, 'cancelled']);
      const { done } = cancelled.json;
      expect(done).to.be.within(1, 4);
      await new Promise((resolve) => setTimeout(resolve, 1_200));
      expect(await get(`/replays/${json.id}`)).to.include({ state: 'cancelled', done });
      expect(addon.to('/hook')).to.have.length(done);
      const { status } = await running.operator('DELETE', '/replays/nope');
      expect(status).to.equal(404);
    });

    const faults: [Record<string, unknown>, number, string][] = [
      [{ installation: 'nope' }, 404, 'installation_not_found'],
      [{ eventType: 'repo:pusch' }, 422, 'event_type_unknown'],
      [{ event: 'nope' }, 404, 'not_found'],
      [{ state: 'pending' }, 422, 'field_invalid'],
      [{ allowed: 'then' }, 422, 'field_invalid'],
      [{ perSecond: 0 }, 422, 'field_invalid'],
      [{ perSecond: '5' }, 422, 'field_invalid'],
      [{ instalation: 'x' }, 422, 'field_unknown'],
      [{ since: 'yesterday' }, 422, 'field_invalid'],
    ];
    for (const [body, status, code] of faults) {
      it(`refuses ${JSON.stringify(body)}`, async () => {
        const answered = await replay(body);
        expect([answered.status, answered.json.code]).to.deep.equal([status, code]);
      });
    }
  });

  describe('of what is allowed now', () => {
    it('also takes events from before the installation, which then-and-now does not', async () => {
      await publish(2);
      await ended('delivered', 2);
      const late = await installAddon(running, { descriptor: { key: 'late' } });
      const only = { installation: late.installation.id };
      expect((await replay({ ...only, dryRun: true })).json.count).to.equal(0);
      expect((await replay({ ...only, dryRun: true, allowed: 'now' })).json.count).to.equal(2);
      const { json } = await replay({ ...only, allowed: 'now', state: 'failed' });
      const view = await over(json.id);
      expect(view.results).to.deep.equal({ delivered: 2, failed: 0, dropped: 0, owed: 0 });
      expect(late.addon.to('/hook')).to.have.length(2);
      // Now they were owed.
      expect((await replay({ ...only, dryRun: true, allowed: 'now' })).json.count).to.equal(0);
      await late.addon.stop();
    });

    it('takes no event of another context, resource or scope than today’s', async () => {
      await publish(1, { context: 'other' });
      await publish(1, { resource: 'acme/secret' });
      await publish(1, { resource: undefined });
      await publish(1, { type: 'issue:created', payload: { issue: { id: 1, title: 'One' } } });
      const [seen] = await publish();
      await ended('delivered', 4);
      const late = await installAddon(running, {
        descriptor: { key: 'late' },
        request: { resources: ['acme/site'] },
      });
      const { json } = await replay({ installation: late.installation.id, allowed: 'now' });
      await over(json.id);
      const told = late.addon.to('/hook').map(({ headers }) => headers['mortise-event-id']);
      expect(told).to.deep.equal([seen]);
      await late.addon.stop();
    });

    it('drops what an earlier installation was owed, unless that is asked for', async () => {
      const { addon, installation } = installed;
      await fail(1);
      const [delivery] = await ended('failed', 1);
      await running.operator('DELETE', `/installations/${installation.id}`);
      skewMs = 10;
      await running.operator('POST', '/installations', {
        descriptorUrl: addon.descriptorUrl,
        context: 'acme',
      });
      const path = `/deliveries/${delivery!.id}/replay`;
      const then = await running.operator('POST', path);
      expect((await over(then.json.replayId)).results.dropped).to.equal(1);
      expect((await get(`/deliveries/${delivery!.id}`)).reason).to.equal('before_installation');
      const now = await running.operator('POST', path, { allowed: 'now' });
      expect((await over(now.json.replayId)).results.delivered).to.equal(1);
      expect(addon.to('/hook')).to.have.length(1);
    });
  });
});
