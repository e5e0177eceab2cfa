// An event type's example sent to try an endpoint. Seen red: with the payload not redacted, with the scope not looked at,
// with webhooks that are off left out.
import { expect } from 'chai';
import { standardSignature } from '../../src/webhooks/sign.ts';
import { answer } from '../helpers/fake-addon.ts';
import { type InstalledAddon, installAddon, PUSH } from '../helpers/installed-addon.ts';
import { type RunningHost, startHost } from '../helpers/start-host.ts';
import { until } from '../helpers/until.ts';

describe('a test delivery', () => {
  let running: RunningHost;
  let installed: InstalledAddon;
  let path: string;

  beforeEach(async () => {
    running = await startHost({ random: () => 0 });
    installed = await installAddon(running);
    path = `/installations/${installed.installation.id}`;
  });
  afterEach(async () => {
    await running.stop();
    await installed.addon.stop();
  });

  const test = (body: Record<string, unknown> = {}) =>
    running.operator('POST', `${path}/test`, body);

  it('sends the example as a webhook would carry it, marked and signed, and answers with the exchange', async () => {
    const { addon, payload } = installed;
    addon.respond = answer(202, `I know ${payload.webhookSecret}`);
    const { status, json } = await test({ eventType: 'repo:push' });
    expect(status, JSON.stringify(json)).to.equal(200);
    expect(json.items).to.have.length(1);
    const [call] = addon.to('/hook');
    expect(call!.headers).to.include({
      'mortise-test': 'true',
      'x-event-key': 'repo:push',
      'x-attempt-number': '1',
    });
    const { example } = (await running.operator('GET', '/event-types/repo:push')).json;
    expect(Object.keys(call!.json)).to.deep.equal(['event', 'data']);
    expect(call!.json.data.repository.full_name).to.equal(example.repository.full_name);
    expect(example.actor.email).to.be.a('string');
    expect(call!.body.toString()).not.to.include(example.actor.email);
    expect(call!.headers['mortise-withheld']).to.match(/scope=email/);
    expect(call!.headers['webhook-signature']).to.equal(
      standardSignature(
        {
          deliveryId: String(call!.headers['webhook-id']),
          body: call!.body,
        },
        Number(call!.headers['webhook-timestamp']),
        payload.webhookSecret,
      ),
    );
    const [{ sent, ...seen }] = json.items;
    expect(seen).to.include({ status: 202, error: null, excerpt: 'I know …' });
    expect(seen.durationMs).to.be.a('number');
    expect(sent).to.include({ method: 'POST', url: `${addon.url}/hook` });
    expect(sent.body).to.equal(call!.body.toString());
    expect(sent.headers).to.include({ 'mortise-test': 'true' });
    expect(sent.headers).not.to.have.property('authorization');
  });

  it('is no delivery, and is kept as an exchange', async () => {
    await test();
    expect((await running.operator('GET', '/deliveries')).json.items).to.deep.equal([]);
    const { exchanges, delivery } = (await running.operator('GET', path)).json;
    expect(exchanges[0]).to.include({ kind: 'test', status: 204 });
    expect(delivery.state).to.equal('well');
  });

  it('is sent whatever is known of the endpoint: off, silent, disabled', async () => {
    const { addon } = installed;
    addon.respond = answer(410);
    await running.operator('POST', '/events', PUSH);
    await until(
      async () => (await running.operator('GET', path)).json.delivery.state === 'off',
      'the webhook to be off',
    );
    addon.respond = answer(200, 'well');
    expect((await test()).json.items[0]).to.include({ status: 200, excerpt: 'well' });
    await running.operator('PATCH', path, { state: 'disabled' });
    expect((await test()).json.items[0].status).to.equal(200);
    await running.operator('DELETE', path);
    const { status, json } = await test();
    expect([status, json.code]).to.deep.equal([409, 'installation_not_installed']);
    expect(addon.to('/hook')).to.have.length(3);
  });

  it('tells what went wrong, and heals nothing', async () => {
    await installed.addon.stop();
    const { status, json } = await test();
    expect(status).to.equal(200);
    expect(json.items[0]).to.include({ status: null, error: 'connection_refused', excerpt: null });
  });

  it('goes to the webhooks that are told of the type, or to one of them', async () => {
    const { addon } = installed;
    addon.descriptor.modules = {
      webhooks: [
        { event: '*', url: '/all' },
        { event: 'repo:push', url: '/push' },
      ],
    };
    const again = await running.operator('POST', '/installations', {
      descriptorUrl: addon.descriptorUrl,
      context: 'acme',
    });
    const idOf = (event: string) =>
      again.json.webhooks.find((hook: { event: string }) => hook.event === event).id;
    await test({ eventType: 'repo:push' });
    expect(addon.calls.map(({ url }) => url)).to.include.members(['/all', '/push']);
    addon.calls.length = 0;
    await test({ webhook: idOf('repo:push') });
    expect(addon.calls.map(({ url }) => url)).to.deep.equal(['/push']);
    const { status, json } = await test({
      webhook: idOf('repo:push'),
      eventType: 'repo:fork',
    });
    expect([status, json.code], JSON.stringify(json)).to.deep.equal([422, 'webhook_not_told']);
  });

  const faults: [Record<string, unknown>, string, RegExp][] = [
    [{ eventType: 'issue:created' }, 'scope_not_granted', /needs scope "issue"/],
    [{ eventType: 'repo:pusch' }, 'event_type_unknown', /not an event type/],
    [{ webhook: 'nope' }, 'webhook_unknown', /no webhook "nope"/],
    [{ payload: {} }, 'field_unknown', /"payload"/],
  ];
  for (const [body, code, message] of faults) {
    it(`refuses ${JSON.stringify(body)}: ${code}`, async () => {
      const { status, json } = await test(body);
      expect([status, json.code]).to.deep.equal([422, code]);
      expect(json.title).to.match(message);
      expect(installed.addon.to('/hook')).to.deep.equal([]);
    });
  }

  it('may be asked for by the add-on with its own token, ten times a minute', async () => {
    const ask = (token: string) =>
      running.request('POST', '/addon/v1/installation/test', {
        headers: { authorization: `Bearer ${token}` },
      });
    expect((await ask('nope')).status).to.equal(401);
    const token = await installed.token();
    const answers = await Promise.all(Array.from({ length: 11 }, () => ask(token)));
    const statuses = answers.map(({ status }) => status).sort();
    expect(statuses).to.deep.equal([...Array(10).fill(200), 429]);
    const late = answers.find(({ status }) => status === 429)!;
    expect(late.json.code).to.equal('too_many_requests');
    expect(Number(late.headers.get('retry-after'))).to.be.within(1, 60);
    expect(installed.addon.to('/hook')).to.have.length(10);
  });
});
