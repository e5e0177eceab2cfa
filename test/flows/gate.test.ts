// What bites between publish and socket. Seen red: without the gate's checks. What changes while a connection is made is
// in test/webhooks/attempt.test.ts.

import type { AddressInfo } from 'node:net';
import net from 'node:net';
import { expect } from 'chai';
import { answer } from '../helpers/fake-addon.ts';
import { type InstalledAddon, installAddon, PUSH } from '../helpers/installed-addon.ts';
import { type RunningHost, startHost } from '../helpers/start-host.ts';
import { until } from '../helpers/until.ts';

describe('the gate in front of a delivery', () => {
  let running: RunningHost;
  let installed: InstalledAddon;

  beforeEach(async () => {
    running = await startHost({ random: () => 0 });
    installed = await installAddon(running, { descriptor: { scopes: ['repository', 'issue'] } });
  });
  afterEach(async () => {
    await running.stop();
    await installed.addon.stop();
  });

  /** One failed attempt, then the change, then what comes of the retry. */
  async function afterChange(change: Record<string, unknown> | 'uninstall') {
    const { addon, installation } = installed;
    addon.respond = answer(503);
    await running.operator('POST', '/events', PUSH);
    await addon.waitFor('/hook');
    addon.respond = answer(204);
    const path = `/installations/${installation.id}`;
    await (change === 'uninstall'
      ? running.operator('DELETE', path)
      : running.operator('PATCH', path, change));
    return until(async () => {
      const { items } = (await running.operator('GET', '/deliveries?state=dropped')).json;
      return items[0];
    }, 'the delivery to be dropped');
  }

  const rows: [string, Record<string, unknown> | 'uninstall', string][] = [
    ['the installation is disabled', { state: 'disabled' }, 'disabled'],
    ['its scope is taken away', { scopes: ['issue'] }, 'scope_not_granted'],
    ['its resource is no longer chosen', { resources: ['acme/other'] }, 'resource_not_granted'],
    ['the add-on is uninstalled', 'uninstall', 'uninstalled'],
  ];
  for (const [title, change, reason] of rows) {
    it(`drops what is owed when ${title}, and says why`, async () => {
      const dropped = await afterChange(change);
      expect(dropped.reason).to.equal(reason);
      expect(installed.addon.to('/hook')).to.have.length(1);
      const { attempts } = (await running.operator('GET', `/deliveries/${dropped.id}`)).json;
      expect(attempts.at(-1)).to.include({ number: 0, outcome: 'dropped' });
    });
  }

  it('drops what is owed when the add-on is installed anew and asks for less', async () => {
    const { addon } = installed;
    addon.respond = ({ url }, response) =>
      void response.writeHead(url === '/hook' ? 503 : 204).end();
    await running.operator('POST', '/events', PUSH);
    await addon.waitFor('/hook');
    addon.descriptor.scopes = ['issue'];
    const again = await running.operator('POST', '/installations', {
      descriptorUrl: addon.descriptorUrl,
      context: 'acme',
    });
    expect(again.status, again.text).to.equal(201);
    await until(async () => {
      const { items } = (await running.operator('GET', '/deliveries?state=dropped')).json;
      return items[0]?.reason === 'scope_not_granted';
    }, 'the delivery to be dropped');
    expect(addon.to('/hook')).to.have.length(1);
  });

  it('is not even reached by what was published, and not fanned out, before the grant was narrowed', async () => {
    const waiting = await startHost({ paused: true });
    const { addon, installation } = await installAddon(waiting, {
      descriptor: { scopes: ['repository', 'issue'] },
    });
    await waiting.operator('POST', '/events', PUSH);
    await waiting.operator('PATCH', `/installations/${installation.id}`, { scopes: ['issue'] });
    await waiting.host.start();
    await waiting.operator('POST', '/events', {
      type: 'issue:created',
      context: 'acme',
      resource: 'acme/site',
      payload: { issue: { title: 'Still told' } },
    });
    await addon.waitFor('/hook');
    expect(addon.to('/hook').map(({ headers }) => headers['x-event-key'])).to.deep.equal([
      'issue:created',
    ]);
    await waiting.stop();
    await addon.stop();
  });

  it('sends nothing that was revoked while nobody listened', async () => {
    // A listener that takes connections late: the request waits for its socket while the operator revokes.
    const { addon, installation } = installed;
    await addon.stop();
    const port = Number(new URL(addon.url).port);
    let received = '';
    const server = net.createServer({ pauseOnConnect: true });
    server.on('connection', (socket) => {
      socket.on('error', () => undefined);
      socket.on('data', (chunk) => {
        received += chunk.toString();
      });
      socket.resume();
    });
    await running.operator('POST', '/events', PUSH);
    // Refused so far: nobody listens. The retry comes after a second; revoke first, then listen.
    await until(
      async () =>
        (await running.operator('GET', '/deliveries?state=retrying')).json.items.length === 1,
      'a refused attempt',
    );
    await running.operator('PATCH', `/installations/${installation.id}`, { state: 'disabled' });
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    await until(
      async () =>
        (await running.operator('GET', '/deliveries?state=dropped')).json.items.length === 1,
      'the drop',
    );
    expect(received).to.equal('');
    expect((server.address() as AddressInfo).port).to.equal(port);
    await new Promise((resolve) => server.close(resolve));
  });

  it('leaves out a field whose scope is taken away between publish and the retry', async () => {
    await running.operator('PATCH', `/installations/${installed.installation.id}`, {
      scopes: ['repository'],
    });
    const withEmail = await installAddon(running, {
      descriptor: { key: 'reads-mail', scopes: ['repository', 'email'] },
    });
    withEmail.addon.respond = answer(503);
    const { example } = (await running.operator('GET', '/event-types/repo:push')).json;
    await running.operator('POST', '/events', { ...PUSH, payload: example });
    const first = await withEmail.addon.waitFor('/hook');
    expect(first.body.toString()).to.match(/@example/);
    withEmail.addon.respond = answer(204);
    await running.operator('PATCH', `/installations/${withEmail.installation.id}`, {
      scopes: ['repository'],
    });
    const second = await withEmail.addon.waitFor('/hook', 2);
    expect(second.body.toString()).not.to.match(/@example/);
    expect(second.headers['mortise-withheld']).to.include('/actor/email;scope=email');
    expect(second.headers['webhook-id']).to.equal(first.headers['webhook-id']);
    expect(second.headers['x-attempt-number']).to.equal('2');
    await withEmail.addon.stop();
  });
});
