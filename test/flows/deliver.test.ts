import { expect } from 'chai';
import { answer } from '../helpers/fake-addon.ts';
import { type InstalledAddon, installAddon, PUSH } from '../helpers/installed-addon.ts';
import { type RunningHost, startHost } from '../helpers/start-host.ts';
import { until } from '../helpers/until.ts';

describe('a delivery', () => {
  let running: RunningHost;
  let installed: InstalledAddon;

  beforeEach(async () => {
    running = await startHost({ random: () => 0 });
    installed = await installAddon(running);
  });
  afterEach(async () => {
    await running.stop();
    await installed.addon.stop();
  });

  const deliveries = async (state: string) =>
    (await running.operator('GET', `/deliveries?state=${state}`)).json.items;

  it('is tried again after a failure, with the same id and a new signature, and the log shows both', async () => {
    const { addon } = installed;
    addon.respond = answer(500, 'out of order');
    await running.operator('POST', '/events', PUSH);
    await addon.waitFor('/hook');
    const [retrying] = await until(async () => {
      const items = await deliveries('retrying');
      return items.length > 0 && items;
    }, 'the failure to be recorded');
    expect(retrying.reason).to.equal('status_500');
    expect(Date.parse(retrying.nextAttemptAt) - Date.now()).to.be.below(10_000);
    addon.respond = answer(200, 'ok');
    const second = await addon.waitFor('/hook', 2);
    const first = addon.to('/hook')[0]!;
    expect(second.headers['webhook-id']).to.equal(first.headers['webhook-id']);
    expect(second.headers['webhook-timestamp']).not.to.equal(first.headers['webhook-timestamp']);
    await until(
      async () => (await deliveries('delivered')).length === 1,
      'the success to be recorded',
    );
    const shown = (await running.operator('GET', `/deliveries/${retrying.id}`)).json;
    expect(
      shown.attempts.map((a: { outcome: string; status: number; responseExcerpt: string }) => [
        a.outcome,
        a.status,
        a.responseExcerpt,
      ]),
    ).to.deep.equal([
      ['retry', 500, 'out of order'],
      ['delivered', 200, 'ok'],
    ]);
  });

  it('is of what was published, whatever the product does to its object afterwards', async () => {
    const { addon } = installed;
    const payload: Record<string, unknown> = {
      ...PUSH.payload,
      actor: { display_name: 'Alice', email: 'alice@example.com' },
      password: 'no',
    };
    const published = running.host.publish({ ...PUSH, payload });
    delete payload.actor;
    delete payload.password;
    await published;
    const { json } = await addon.waitFor('/hook');
    expect(JSON.stringify(json)).not.to.include('alice@').and.not.to.include('password');
    expect(json.data.actor).to.deep.equal({ display_name: 'Alice' });
  });

  it('is of what the product’s object is as JSON says it', async () => {
    const { addon } = installed;
    const actor = { display_name: { toJSON: () => 'Alice' }, uuid: undefined };
    await running.host.publish({ ...PUSH, payload: { ...PUSH.payload, actor } });
    const { json } = await addon.waitFor('/hook');
    expect(json.data.actor).to.deep.equal({ display_name: 'Alice' });
  });

  const failures: [string, Parameters<typeof answer>, string][] = [
    ['a redirect, which is not followed', [302], 'redirect'],
    ['404', [404], 'status_404'],
    ['429', [429], 'status_429'],
  ];
  for (const [title, reply, reason] of failures) {
    it(`is tried again after ${title}`, async () => {
      installed.addon.respond = answer(...reply);
      await running.operator('POST', '/events', PUSH);
      const [item] = await until(async () => {
        const items = await deliveries('retrying');
        return items.length > 0 && items;
      }, 'the failure');
      expect(item.reason).to.equal(reason);
    });
  }

  it('ends with 410: the add-on wants no more of it', async () => {
    installed.addon.respond = answer(410);
    await running.operator('POST', '/events', PUSH);
    const [item] = await until(async () => {
      const items = await deliveries('failed');
      return items.length > 0 && items;
    }, 'the end');
    expect(item).to.include({ reason: 'gone', attemptCount: 1 });
  });

  it('waits as long as Retry-After says, and so do the others to the same add-on', async () => {
    installed.addon.respond = (_call, response) =>
      response.writeHead(503, { 'retry-after': '120' }).end();
    await running.operator('POST', '/events', PUSH);
    const [item] = await until(async () => {
      const items = await deliveries('retrying');
      return items.length > 0 && items;
    }, 'the failure');
    expect(Date.parse(item.nextAttemptAt) - Date.now()).to.be.within(110_000, 121_000);
    await running.operator('POST', '/events', PUSH);
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(installed.addon.to('/hook')).to.have.length(1);
  });

  it('goes to nobody in another context, and to nobody who was not granted its scope', async () => {
    const elsewhere = await installAddon(running, {
      descriptor: { key: 'elsewhere' },
      context: 'other',
    });
    const { addon } = installed;
    await running.operator('POST', '/events', PUSH);
    await running.operator('POST', '/events', {
      type: 'issue:created',
      context: 'acme',
      resource: 'acme/site',
      payload: { issue: { id: 1, title: 'Secret' } },
    });
    await addon.waitFor('/hook');
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(addon.to('/hook').map((call) => call.headers['x-event-key'])).to.deep.equal([
      'repo:push',
    ]);
    expect(elsewhere.addon.to('/hook')).to.deep.equal([]);
    await elsewhere.addon.stop();
  });

  it('of an event without a resource never reaches an installation limited to resources', async () => {
    const limited = await installAddon(running, {
      descriptor: { key: 'limited' },
      request: { resources: ['acme/site'] },
    });
    await running.operator('POST', '/events', { ...PUSH, resource: undefined });
    await running.operator('POST', '/events', { ...PUSH, resource: 'acme/other' });
    await running.operator('POST', '/events', PUSH);
    await limited.addon.waitFor('/hook');
    await installed.addon.waitFor('/hook', 3);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(limited.addon.to('/hook')).to.have.length(1);
    await limited.addon.stop();
  });

  it('comes once to one address, though a named webhook and * both name it', async () => {
    const { addon } = installed;
    addon.descriptor.modules = {
      webhooks: [
        { event: '*', url: '/hook' },
        { event: 'repo:push', url: '/hook' },
        { event: 'repo:push', url: '/other' },
      ],
    };
    await running.operator('POST', '/installations', {
      descriptorUrl: addon.descriptorUrl,
      context: 'acme',
    });
    await running.operator('POST', '/events', PUSH);
    await addon.waitFor('/other');
    await addon.waitFor('/hook');
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(addon.to('/hook')).to.have.length(1);
  });

  it('does not reach who was installed after the event', async () => {
    const paused = await startHost({ paused: true });
    const event = await paused.operator('POST', '/events', PUSH);
    expect(event.status).to.equal(202);
    const late = await installAddon(paused, { descriptor: { key: 'late' } });
    await paused.host.start();
    await paused.operator('POST', '/events', PUSH);
    await late.addon.waitFor('/hook');
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(late.addon.to('/hook')).to.have.length(1);
    expect(late.addon.to('/hook')[0]!.headers['mortise-event-id']).not.to.equal(event.json.id);
    await paused.stop();
    await late.addon.stop();
  });

  for (const [body, expected] of [
    ['payload', ['push']],
    ['connect', ['event', 'data']],
    ['standard', ['type', 'timestamp', 'data']],
  ] as const) {
    it(`has the body the platform chose: ${body}`, async () => {
      const platform = {
        key: 'shapes',
        name: 'Shapes',
        scopes: { repository: { sentence: 'Read' } },
        events: {
          'repo:push': {
            title: 'Push',
            scope: 'repository',
            payload: { type: 'object', properties: { push: { type: 'object' } } },
            example: {},
          },
        },
        webhooks: { body, signatures: ['hub' as const] },
      };
      const other = await startHost({ platform });
      const shaped = await installAddon(other, { request: { context: undefined } });
      await other.operator('POST', '/events', {
        type: 'repo:push',
        payload: { push: {}, undeclared: 1 },
      });
      const { json, headers } = await shaped.addon.waitFor('/hook');
      expect(Object.keys(json)).to.deep.equal(expected);
      expect(headers).to.include.keys('x-hub-signature', 'x-hub-signature-256', 'webhook-id');
      expect(headers).not.to.have.any.keys('authorization', 'webhook-signature');
      await other.stop();
      await shaped.addon.stop();
    });
  }
});

describe('a host that could not start', () => {
  it('lets go of the engine, and delivers when it is started again', async () => {
    const running = await startHost({ paused: true });
    const { addon } = await installAddon(running);
    await running.operator('POST', '/events', PUSH);
    const { engine } = running.host.parts.store;
    const { tryShare } = engine;
    engine.tryShare = async () => {
      const share = (await tryShare())!;
      share.start = () => Promise.reject(new Error('no connection'));
      return share;
    };
    const refused = await running.host.start().catch((error: unknown) => error);
    expect(refused).to.have.property('message', 'no connection');
    engine.tryShare = tryShare;
    await running.host.start();
    await addon.waitFor('/hook');
    await running.stop();
    await addon.stop();
  });
});
