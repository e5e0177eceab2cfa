import { expect } from 'chai';
import { answer } from '../helpers/fake-addon.ts';
import { installAddon, PUSH, tokenRequest } from '../helpers/installed-addon.ts';
import { type RunningHost, startHost } from '../helpers/start-host.ts';
import { until } from '../helpers/until.ts';

describe('an installation', () => {
  let running: RunningHost;
  const stops: (() => Promise<void>)[] = [];

  beforeEach(async () => {
    running = await startHost({ random: () => 0 });
    stops.push(() => running.stop());
  });
  afterEach(async () => {
    for (const stop of stops.splice(0).reverse()) await stop();
  });

  async function install(options: Parameters<typeof installAddon>[1] = {}) {
    const installed = await installAddon(running, options);
    stops.push(() => installed.addon.stop());
    return installed;
  }

  it('keeps its clientKey over re-installs, and every install brings new secrets', async () => {
    const { addon, payload, installation } = await install();
    const again = await running.operator('POST', '/installations', {
      descriptorUrl: addon.descriptorUrl,
      context: 'acme',
    });
    expect(again.status).to.equal(201);
    expect(again.json.clientKey).to.equal(installation.clientKey);
    expect(again.json.descriptorVersion).to.equal(2);
    const second = addon.to('/installed')[1]!.json;
    for (const name of ['sharedSecret', 'webhookSecret', 'oauthClientSecret']) {
      expect(second[name], name).to.be.a('string').and.not.equal(payload[name]);
    }
  });

  it('has another clientKey in another context', async () => {
    const { addon, installation } = await install();
    const elsewhere = await running.operator('POST', '/installations', {
      descriptorUrl: addon.descriptorUrl,
      context: 'other',
    });
    expect(elsewhere.status).to.equal(201);
    expect(elsewhere.json.clientKey).not.to.equal(installation.clientKey);
  });

  it('ends at once: tokens and credentials are dead after the answer, and a signed goodbye follows', async () => {
    const { addon, installation, payload, token } = await install();
    const bearer = await token();
    const me = () =>
      running.request('GET', '/addon/v1/installation', {
        headers: { authorization: `Bearer ${bearer}` },
      });
    expect((await me()).status).to.equal(200);
    expect((await running.operator('DELETE', `/installations/${installation.id}`)).status).to.equal(
      204,
    );
    expect((await me()).status).to.equal(401);
    const credentials = await tokenRequest(
      running,
      payload.oauthClientId,
      payload.oauthClientSecret,
      { grant_type: 'client_credentials' },
    );
    expect([credentials.status, credentials.json.error]).to.deep.equal([401, 'invalid_client']);
    const goodbye = await addon.waitFor('/uninstalled');
    expect(goodbye.headers.authorization).to.match(/^JWT /);
    expect(goodbye.json).to.include({
      eventType: 'uninstalled',
      clientKey: installation.clientKey,
    });
    expect(goodbye.json).not.to.have.any.keys('sharedSecret', 'webhookSecret', 'oauthClientSecret');
    expect((await running.operator('GET', '/installations')).json.items).to.deep.equal([]);
  });

  it('says goodbye again until the add-on hears it', async () => {
    const { addon, installation } = await install();
    addon.respond = answer(503);
    await running.operator('DELETE', `/installations/${installation.id}`);
    await addon.waitFor('/uninstalled');
    addon.respond = answer(204);
    // random() is 0: the shortest wait, one second.
    await addon.waitFor('/uninstalled', 2);
    const { json } = await until(async () => {
      const shown = await running.operator('GET', `/installations/${installation.id}`);
      return shown.json.exchanges[0].status === 204 && shown;
    }, 'the exchange to be recorded');
    expect(
      json.exchanges.map((e: { kind: string; status: number }) => [e.kind, e.status]),
    ).to.deep.equal([
      ['uninstalled', 204],
      ['uninstalled', 503],
      ['installed', 204],
    ]);
  });

  it('is told about itself in order, one call at a time', async () => {
    const { addon, installation } = await install({
      descriptor: {
        lifecycle: {
          installed: '/installed',
          enabled: '/enabled',
          disabled: '/disabled',
          uninstalled: '/uninstalled',
          scopesChanged: '/scopes',
        },
        scopes: ['repository', 'issue'],
      },
    });
    await addon.waitFor('/enabled');
    let underWay = 0;
    let atOnce = 0;
    addon.respond = (_call, response) => {
      atOnce = Math.max(atOnce, ++underWay);
      setTimeout(() => {
        underWay--;
        response.writeHead(204).end();
      }, 30);
    };
    const path = `/installations/${installation.id}`;
    await running.operator('PATCH', path, { state: 'disabled' });
    await running.operator('PATCH', path, { state: 'enabled' });
    await running.operator('PATCH', path, { scopes: ['repository'] });
    await addon.waitFor('/scopes');
    await running.operator('DELETE', path);
    await addon.waitFor('/uninstalled');
    expect(addon.calls.map((call) => call.url)).to.deep.equal([
      '/installed',
      '/enabled',
      '/disabled',
      '/enabled',
      '/scopes',
      '/uninstalled',
    ]);
    expect(atOnce).to.equal(1);
    expect(addon.to('/scopes')[0]!.json.scopes).to.deep.equal(['repository']);
  });

  it('installed again, is no longer told the goodbye it missed', async () => {
    const { addon, installation } = await install();
    addon.respond = (call, response) =>
      response.writeHead(call.url === '/uninstalled' ? 503 : 204).end();
    await running.operator('DELETE', `/installations/${installation.id}`);
    await addon.waitFor('/uninstalled');
    const again = await running.operator('POST', '/installations', {
      descriptorUrl: addon.descriptorUrl,
      context: 'acme',
    });
    expect(again.status, again.text).to.equal(201);
    const goodbyes = addon.to('/uninstalled').length;
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(addon.to('/uninstalled')).to.have.length(goodbyes);
  });

  it('installed again, gets none of the events of before', async () => {
    const { addon, installation } = await install();
    addon.respond = (call, response) => response.writeHead(call.url === '/hook' ? 503 : 204).end();
    await running.operator('POST', '/events', PUSH);
    await addon.waitFor('/hook');
    await running.operator('DELETE', `/installations/${installation.id}`);
    addon.respond = answer(204);
    await running.operator('POST', '/installations', {
      descriptorUrl: addon.descriptorUrl,
      context: 'acme',
    });
    const { json } = await until(async () => {
      const page = await running.operator('GET', '/deliveries?state=dropped');
      return page.json.items.length === 1 && page;
    }, 'the old delivery to be dropped');
    expect(json.items[0].reason).to.be.oneOf(['uninstalled', 'before_installation']);
    expect(addon.to('/hook')).to.have.length(1);
  });

  it('is tolerated without lifecycle addresses: it is called nowhere, and has no webhooks to verify', async () => {
    const { installation } = await install({
      descriptor: { lifecycle: undefined, authentication: undefined, modules: undefined },
    });
    expect(installation.state).to.equal('enabled');
  });

  it('under way, can be cancelled; the add-on’s late yes installs nothing', async () => {
    const { addon } = await install({ descriptor: { key: 'slow' } });
    let release: () => void = () => undefined;
    addon.respond = (_call, response) => {
      release = () => response.writeHead(204).end();
    };
    const pending = running.operator('POST', '/installations', {
      descriptorUrl: addon.descriptorUrl,
      context: 'cancelled',
    });
    await addon.waitFor('/installed', 2);
    const { items } = (await running.operator('GET', '/installations?state=pending')).json;
    expect(items).to.have.length(1);
    expect((await running.operator('DELETE', `/installations/${items[0].id}`)).status).to.equal(
      204,
    );
    release();
    const late = await pending;
    expect([late.status, late.json.code]).to.deep.equal([409, 'install_cancelled']);
    expect((await running.operator('GET', `/installations/${items[0].id}`)).json.state).to.equal(
      'uninstalled',
    );
  });

  it('signs webhooks with what the add-on acknowledged while a re-install fails', async () => {
    const { addon, payload } = await install();
    addon.respond = (call, response) =>
      response.writeHead(call.url === '/installed' ? 500 : 204).end();
    const failed = await running.operator('POST', '/installations', {
      descriptorUrl: addon.descriptorUrl,
      context: 'acme',
    });
    expect(failed.status).to.equal(502);
    await running.operator('POST', '/events', PUSH);
    const hook = await addon.waitFor('/hook');
    const { Webhook } = await import('standardwebhooks');
    expect(() =>
      new Webhook(payload.webhookSecret).verify(
        hook.body.toString(),
        hook.headers as Record<string, string>,
      ),
    ).not.to.throw();
  });
});
