// Faults that a reading with an attacker's eyes has found, each with its symptom in the title. Every one was seen red
// before it was mended.

import { createHmac } from 'node:crypto';
import Router from '@koa/router';
import { expect } from 'chai';
import jwt from 'jsonwebtoken';
import { AddonError, verifyWebhook } from '../../src/addon/index.ts';
import { compilePlatform } from '../../src/platform/compile.ts';
import { redact } from '../../src/platform/redact.ts';
import { answer, fakeAddon } from '../helpers/fake-addon.ts';
import { installAddon, tokenRequest } from '../helpers/installed-addon.ts';
import { type RunningHost, startHost } from '../helpers/start-host.ts';

describe('an attacker', () => {
  let running: RunningHost;
  const stops: (() => Promise<void>)[] = [];

  beforeEach(async () => {
    running = await startHost({
      product(host, app) {
        const router = new Router();
        router.get('/api/:workspace', host.guard('repository'), (ctx) => {
          ctx.body = 'in';
        });
        app.use(router.routes());
      },
    });
    stops.push(() => running.stop());
  });
  afterEach(async () => {
    for (const stop of stops.splice(0).reverse()) await stop();
  });

  async function addonOf(descriptor = {}) {
    const addon = await fakeAddon(descriptor);
    stops.push(() => addon.stop());
    return addon;
  }
  const install = (from: { descriptorUrl: string }, more = {}) =>
    running.operator('POST', '/installations', {
      descriptorUrl: from.descriptorUrl,
      context: 'acme',
      ...more,
    });

  describe('does not reach the operator API without the token by', () => {
    for (const path of [
      '/OPERATOR/v1/installations',
      '/Operator/V1/installations',
      '/operator/v1/INSTALLATIONS',
      '//operator/v1/installations',
      '/operator//v1/installations',
      '/operator/v1/installations/',
      '/%6fperator/v1/installations',
      '/operator%2fv1/installations',
      '/operator/v1',
      '/operator/v1/',
    ]) {
      it(path, async () => {
        for (const method of ['GET', 'POST', 'PATCH', 'DELETE']) {
          const { status } = await running.request(method, path);
          expect(status, method).to.be.oneOf([401, 404]);
        }
      });
    }
  });

  it('does not undo a revocation by answering a re-install late', async () => {
    const installed = await installAddon(running, {
      descriptor: { scopes: ['repository', 'issue'] },
    });
    stops.push(() => installed.addon.stop());
    const { addon, payload, installation } = installed;
    let release = () => {};
    addon.respond = (_call, response) => {
      release = () => response.writeHead(204).end();
    };
    const again = install(addon);
    await addon.waitFor('/installed', 2);
    const changed = await running.operator('PATCH', `/installations/${installation.id}`, {
      state: 'disabled',
      scopes: ['issue'],
    });
    expect(changed.status).to.equal(200);
    const during = addon.to('/installed')[1]!.json;
    const token = await tokenRequest(running, during.oauthClientId, during.oauthClientSecret, {
      grant_type: 'client_credentials',
    });
    expect(token.status).to.equal(401);
    release();
    expect((await again).json.code).to.equal('install_cancelled');
    const after = (await running.operator('GET', `/installations/${installation.id}`)).json;
    expect([after.state, after.scopes]).to.deep.equal(['disabled', ['issue']]);
    expect(payload.clientKey).to.equal(during.clientKey);
  });

  it('does not profit from two narrowings at once: both hold', async () => {
    const { addon, installation } = await installAddon(running, {
      descriptor: { scopes: ['repository', 'issue'] },
    });
    stops.push(() => addon.stop());
    const path = `/installations/${installation.id}`;
    for (let i = 0; i < 10; i++) {
      await running.operator('PATCH', path, { scopes: ['repository', 'issue'], resources: null });
      const both = await Promise.all([
        running.operator('PATCH', path, { resources: ['acme/site'] }),
        running.operator('PATCH', path, { scopes: ['repository'] }),
      ]);
      expect(both.map(({ status }) => status)).to.deep.equal([200, 200]);
      const { json } = await running.operator('GET', path);
      expect([json.scopes, json.resources]).to.deep.equal([['repository'], ['acme/site']]);
    }
  });

  it('gets no signature made with the secret of another origin', async () => {
    const victim = await addonOf({ key: 'shared-key' });
    await install(victim);
    const secret = victim.to('/installed')[0]!.json.sharedSecret;
    const { items } = (await running.operator('GET', '/installations')).json;
    await running.operator('DELETE', `/installations/${items[0].id}`);
    const thief = await addonOf({ key: 'shared-key' });
    await install(thief);
    const token = thief.to('/installed')[0]!.headers.authorization!.slice(4);
    expect(() => jwt.verify(token, secret, { algorithms: ['HS256'] })).to.throw(
      'invalid signature',
    );
  });

  it('does not take an add-on key while another origin is being installed with it', async () => {
    const first = await addonOf({ key: 'raced' });
    const second = await addonOf({ key: 'raced' });
    let release = () => {};
    first.respond = (_call, response) => {
      release = () => response.writeHead(204).end();
    };
    const slow = install(first);
    await first.waitFor('/installed');
    const elsewhere = await install(second, { context: 'elsewhere' });
    expect([elsewhere.status, elsewhere.json.code]).to.deep.equal([409, 'addon_key_taken']);
    const here = install(second);
    release();
    expect((await slow).status).to.equal(201);
    expect((await here).json.code).to.equal('addon_key_taken');
    expect(second.to('/installed')).to.have.length(0);
  });

  it('does not keep using tokens of the origin an add-on has moved from', async () => {
    const old = await installAddon(running, { descriptor: { key: 'mover' } });
    stops.push(() => old.addon.stop());
    const bearer = await old.token();
    const moved = await addonOf({ key: 'mover' });
    expect((await install(moved, { acceptNewOrigin: true })).status).to.equal(201);
    const { status } = await running.request('GET', '/api/acme', {
      headers: { authorization: `Bearer ${bearer}` },
    });
    expect(status).to.equal(401);
  });

  it('is not let in with a JWT that the host itself has sent', async () => {
    const addon = await addonOf({ modules: { webhooks: [{ event: '*', url: '/oauth2/token' }] } });
    await install(addon);
    await running.operator('POST', '/events', {
      type: 'repo:push',
      context: 'acme',
      resource: 'acme/site',
      payload: { push: { changes: [] } },
    });
    const { authorization } = (await addon.waitFor('/oauth2/token')).headers;
    const reflected = await running.request('POST', '/oauth2/token', {
      headers: { authorization: authorization! },
      body: new URLSearchParams({ grant_type: 'client_credentials' }),
    });
    expect(reflected.status).to.equal(401);
  });

  it('causes no 500 by a JWT whose claims are not JSON, nor by a place that no header can carry', async () => {
    const head = Buffer.from('{"alg":"HS256","typ":"JWT"}').toString('base64url');
    const authorization = `JWT ${head}.${Buffer.from('{no json').toString('base64url')}.x`;
    for (const [method, path] of [
      ['GET', '/api/acme'],
      ['GET', '/addon/v1/installation'],
      ['POST', '/oauth2/token'],
    ] as const) {
      const { status } = await running.request(method, path, {
        headers: { authorization },
        ...(method === 'POST' && {
          body: new URLSearchParams({ grant_type: 'client_credentials' }),
        }),
      });
      expect(status, path).to.equal(401);
    }
    const installed = await installAddon(running);
    stops.push(() => installed.addon.stop());
    const bearer = { headers: { authorization: `Bearer ${await installed.token()}` } };
    for (const place of ['工具', 'a%0d%0ab']) {
      expect(
        (await running.request('GET', `/api/${encodeURI(place).replace(/%25/g, '%')}`, bearer))
          .status,
      ).to.equal(403);
    }
  });

  // Frozen, these take minutes: the runner's own patience ends first.
  it('does not freeze the host with a descriptor', async () => {
    const long = 'x'.repeat(60_000);
    const documents = [
      {
        key: 'a',
        baseUrl: `https://a.example/${'/'.repeat(60_000)}x`,
        lifecycle: { installed: '/a' },
        authentication: { type: 'jwt' },
      },
      {
        key: 'a',
        baseUrl: 'https://a.example',
        [long]: Object.fromEntries(Array.from({ length: 3_000 }, (_, i) => [`k${i}`, i])),
      },
      {
        key: 'a',
        baseUrl: `https://a.example/${long}`,
        modules: {
          webhooks: Array.from({ length: 150 }, () => ({ event: '*', url: 'https://b.example' })),
        },
      },
    ];
    for (const descriptor of documents) {
      const { text } = await running.operator('POST', '/descriptors/validate', { descriptor });
      expect(text.length).to.be.below(1_000_000);
    }
    const { json } = await running.operator('POST', '/descriptors/validate', {
      descriptor: { key: 'a', x: 'y'.repeat(200_000) },
    });
    expect(json.errors[0].code).to.equal('descriptor_too_large');
  });

  it('does not see a withheld field by way of a list where an object is expected', () => {
    const platform = compilePlatform(
      JSON.stringify({
        key: 'lists',
        name: 'Lists',
        scopes: { a: { sentence: 'A' }, email: { sentence: 'E' } },
        events: {
          e: {
            title: 'E',
            scope: 'a',
            payload: {
              type: 'object',
              properties: {
                actor: { 'x-open': true, properties: { email: { 'x-scope': 'email' } } },
              },
            },
            example: {},
          },
        },
      }),
    );
    const { fields } = platform.events.get('e')!;
    for (const actor of [[{ email: 'm@x' }], [[{ email: 'm@x' }]], [{ deep: 1, email: 'm@x' }]]) {
      expect(JSON.stringify(redact({ actor }, fields, new Set(['a'])).payload)).not.to.include(
        'm@x',
      );
    }
  });

  it('does not play back a webhook to an add-on by stripping its strong signatures', () => {
    const rawBody = Buffer.from('{"event":"repo:push","data":{}}');
    const webhookSecret = 'whsec_c2VjcmV0';
    const hub = `sha256=${createHmac('sha256', webhookSecret).update(rawBody).digest('hex')}`;
    const request = {
      method: 'POST',
      url: '/hook',
      rawBody,
      headers: { 'x-hub-signature-256': hub, 'x-event-key': 'issue:created' },
    };
    const options = {
      installation: { clientKey: 'k', webhookSecret },
      baseUrl: 'https://a.example',
    };
    expect(() => verifyWebhook(request, options)).to.throw(AddonError, 'lacks a signature');
    expect(() => verifyWebhook(request, { ...options, require: ['hub'] })).to.throw(
      AddonError,
      'X-Event-Key',
    );
  });

  it('does not see secrets that it has made the host repeat in a delivery log', async () => {
    const installed = await installAddon(running);
    stops.push(() => installed.addon.stop());
    const { addon, payload } = installed;
    addon.respond = answer(500, `you sent ${payload.webhookSecret} and ${payload.sharedSecret}`);
    await running.operator('POST', '/events', {
      type: 'repo:push',
      context: 'acme',
      payload: { push: {} },
    });
    await addon.waitFor('/hook');
    await new Promise((resolve) => setTimeout(resolve, 100));
    const [item] = (await running.operator('GET', '/deliveries')).json.items;
    const { text } = await running.operator('GET', `/deliveries/${item.id}`);
    expect(text).to.include('you sent …').and.not.include(payload.sharedSecret);
  });
});
