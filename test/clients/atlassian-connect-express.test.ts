import Router from '@koa/router';
import { decodeSymmetric, encodeSymmetric, SymmetricAlgorithm } from 'atlassian-jwt';
import { expect } from 'chai';
import { type RunningHost, startHost } from '../helpers/start-host.ts';
import { until } from '../helpers/until.ts';
import {
  type ExpressAddon,
  type ExpressAddonOptions,
  type ExpressCall,
  expressAddon,
} from './express-addon.ts';
import { install, publish, uninstall } from './operator-steps.ts';

/** The host waits ten seconds for an answer to begin, fifteen in all. */
const WITH_SILENCE_MS = 60_000;

type HttpClientOptions = string | { url: string; qs: Record<string, string | string[]> };

describe('atlassian-connect-express, unmodified', () => {
  let host: RunningHost;
  let addon: ExpressAddon;

  async function begin(options?: ExpressAddonOptions): Promise<void> {
    // No jitter: what is tried again is tried after one second.
    host = await startHost({ product: repositories, random: () => 0 });
    addon = await expressAddon(options);
  }
  async function end(): Promise<void> {
    await host.stop();
    await addon.stop();
  }

  beforeEach(() => begin());
  afterEach(end);

  it('installs, and ACE keeps the client it was told of', async () => {
    const { status, json } = await install(host, addon.descriptorUrl);
    expect(status).to.equal(201);
    expect(json).to.include({ addonKey: 'express-addon', state: 'enabled', context: 'acme' });
    const client = await addon.client(json.clientKey);
    expect(client).to.include({
      key: 'express-addon',
      clientKey: json.clientKey,
      baseUrl: host.url,
      productType: 'bitbucket',
      eventType: 'installed',
    });
    expect(client!.sharedSecret).to.match(/^[\w-]{43}$/);
  });

  describe('webhooks', () => {
    it('pass its own check', async () => {
      const { json } = await install(host, addon.descriptorUrl);
      const event = await deliver();
      expect(addon.webhooks).to.have.length(1);
      expect(addon.webhooks[0]).to.include({ event: 'repo:push', clientKey: json.clientKey });
      expect(addon.webhooks[0]!.body.event).to.equal('repo:push');
      expect(addon.webhooks[0]!.body.data.repository.full_name).to.equal('acme/site');
      const delivery = await until(async () => {
        const { json } = await host.operator('GET', `/deliveries?event=${event}&state=delivered`);
        return json.items[0];
      }, 'the delivery to be recorded');
      expect(delivery).to.include({ addonKey: 'express-addon', attemptCount: 1 });
    });

    for (const basePath of ['/bitbucket', '/bitbucket/addon']) {
      it(`pass its own check below the path ${basePath}`, async () => {
        await end();
        await begin({ basePath });
        expect((await install(host, addon.descriptorUrl)).status).to.equal(201);
        await deliver();
        expect((await install(host, addon.descriptorUrl)).status).to.equal(201);
        await deliver();
        expect(pushes().map(({ status }) => status)).to.deep.equal([204, 204]);
        expect(pushes()[0]!.url).to.equal(`${basePath}/hooks/push`);
      });
    }

    it('pass addon.authenticate() on a route with a query', async () => {
      const { json } = await install(host, addon.descriptorUrl);
      await publish(host, 'repo:fork');
      const { url, status } = await answered('/hooks/fork');
      expect(url).to.equal('/hooks/fork?from=host&and=one%20more&and=a');
      expect(status).to.equal(204);
      expect(addon.webhooks[0]).to.include({ event: 'repo:fork', clientKey: json.clientKey });
    });

    describe('are refused when', () => {
      let original: ExpressCall;

      beforeEach(async () => {
        await install(host, addon.descriptorUrl);
        await deliver();
        original = pushes()[0]!;
      });

      async function again(changes: { url?: string; authorization?: string }): Promise<number> {
        const { authorization = original.headers.authorization!, url = original.url } = changes;
        const answer = await fetch(addon.url + url, {
          method: 'POST',
          headers: { 'content-type': 'application/json', ...(authorization && { authorization }) },
          body: new Uint8Array(original.body),
        });
        return answer.status;
      }
      const token = () => original.headers.authorization!.slice('JWT '.length);

      it('nothing is changed: they are not, so the rest proves something', async () => {
        expect(await again({})).to.equal(204);
        expect(addon.webhooks).to.have.length(2);
      });

      const changes: [what: string, change: () => Parameters<typeof again>[0], status: number][] = [
        ['they go to another path', () => ({ url: '/hooks/fork' }), 401],
        ['a parameter is added', () => ({ url: '/hooks/push?admin=1' }), 401],
        ['there is no token', () => ({ authorization: '' }), 401],
        [
          'the signature is another',
          () => ({ authorization: `JWT ${token().slice(0, -43)}${'A'.repeat(43)}` }),
          400,
        ],
        [
          'the claims are signed by somebody else',
          () => {
            const claims = decodeSymmetric(token(), '', SymmetricAlgorithm.HS256, true);
            const forged = encodeSymmetric(claims, 'guessed', SymmetricAlgorithm.HS256);
            return { authorization: `JWT ${forged}` };
          },
          400,
        ],
      ];
      for (const [what, change, status] of changes) {
        it(what, async () => {
          expect(await again(change())).to.equal(status);
          expect(addon.webhooks).to.have.length(1);
        });
      }
    });
  });

  describe('installed again', () => {
    it('keeps its clientKey, and its webhooks pass', async () => {
      const first = await install(host, addon.descriptorUrl);
      const before = await addon.client(first.json.clientKey);
      await deliver();
      const second = await install(host, addon.descriptorUrl);
      expect(second.status).to.equal(201);
      expect(second.json.id).to.equal(first.json.id);
      expect(second.json.clientKey).to.equal(first.json.clientKey);
      expect(second.json.exchanges.map(outcome)).to.deep.equal([204]);
      await deliver();
      expect(pushes().map(({ status }) => status)).to.deep.equal([204, 204]);
      const after = await addon.client(first.json.clientKey);
      expect(after!.sharedSecret).not.to.equal(before!.sharedSecret);
    });

    it('is not refused for want of a check: ACE turns away an unsigned re-install', async () => {
      await install(host, addon.descriptorUrl);
      const { body } = callsTo('/installed')[0]!;
      const forged = await fetch(`${addon.url}/installed`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: new Uint8Array(body),
      });
      expect(forged.status).to.equal(401);
    });
  });

  describe('told new secrets', () => {
    it('believes the call that its old one signs, and keeps the new: webhooks and its own calls pass', async () => {
      const { json } = await install(host, addon.descriptorUrl);
      const before = await addon.client(json.clientKey);
      await deliver();
      for (let i = 1; i <= 3; i++) {
        const rotated = await host.operator('POST', `/installations/${json.id}/rotate-secret`);
        expect(rotated.status, rotated.text).to.equal(200);
        expect(rotated.json.exchange.status).to.equal(204);
        await deliver();
        expect((await callAs(json.clientKey, '/2.0/repositories/acme/site')).status).to.equal(200);
      }
      expect(pushes().map(({ status }) => status)).to.deep.equal([204, 204, 204, 204]);
      const after = await addon.client(json.clientKey);
      expect(after!.sharedSecret).not.to.equal(before!.sharedSecret);
    });

    it('that it stored before it answered 500, is told the same ones again', async () => {
      const { json } = await install(host, addon.descriptorUrl);
      const rotate = () => host.operator('POST', `/installations/${json.id}/rotate-secret`);
      addon.afterStoring = '500';
      expect((await rotate()).json.code).to.equal('rotation_refused');
      addon.afterStoring = 'answer';
      const { sharedSecret } = (await addon.client(json.clientKey))!;
      expect((await rotate()).status).to.equal(200);
      expect((await addon.client(json.clientKey))!.sharedSecret).to.equal(sharedSecret);
      await deliver();
      expect(pushes().map(({ status }) => status)).to.deep.equal([204]);
    });
  });

  describe('uninstalled', () => {
    it('hears the signed goodbye, and believes it', async () => {
      const { json } = await install(host, addon.descriptorUrl);
      expect((await uninstall(host, json.id)).status).to.equal(204);
      const goodbye = await answered('/uninstalled');
      expect(goodbye.status).to.equal(204);
      expect(JSON.parse(goodbye.body.toString())).to.include({
        clientKey: json.clientKey,
        eventType: 'uninstalled',
      });
      expect(goodbye.body.toString()).not.to.contain('sharedSecret');
    });

    it('would not have believed one signed by somebody else', async () => {
      const { json } = await install(host, addon.descriptorUrl);
      await uninstall(host, json.id);
      const { headers, body } = await answered('/uninstalled');
      const token = headers.authorization!.slice('JWT '.length);
      const claims = decodeSymmetric(token, '', SymmetricAlgorithm.HS256, true);
      const forged = encodeSymmetric(claims, 'guessed', SymmetricAlgorithm.HS256);
      const { status } = await fetch(`${addon.url}/uninstalled`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `JWT ${forged}` },
        body: new Uint8Array(body),
      });
      expect(status).to.equal(400);
    });

    for (const memory of ['keeps', 'forgets']) {
      it(`installs again when it ${memory} the client`, async () => {
        const first = await install(host, addon.descriptorUrl);
        await uninstall(host, first.json.id);
        await answered('/uninstalled');
        if (memory === 'forgets') await addon.forget(first.json.clientKey);
        const second = await install(host, addon.descriptorUrl);
        expect(second.status).to.equal(201);
        expect(second.json.clientKey).to.equal(first.json.clientKey);
        await deliver();
        expect(addon.webhooks).to.have.length(1);
      });
    }
  });

  const failures = [
    { what: 'answers 500', how: '500', error: { status: 500, error: null } },
    { what: 'never answers', how: 'silence', error: { status: null, error: 'timeout' } },
  ] as const;
  for (const { what, how, error } of failures) {
    describe(`stores the secret, then ${what}`, function () {
      this.timeout(WITH_SILENCE_MS);

      async function installBadly(): Promise<void> {
        addon.afterStoring = how;
        const { status, json } = await install(host, addon.descriptorUrl);
        addon.afterStoring = 'answer';
        expect(status).to.equal(502);
        expect(json.code).to.equal('install_refused');
        expect(json.exchange).to.include({
          method: 'POST',
          url: `${addon.url}/installed`,
          ...error,
        });
        expect(json.exchange.durationMs).to.be.below(16_000);
        if (how === '500') expect(json.exchange.excerpt).to.equal('No space left on device');
      }

      it('on the first install: nothing is installed, and the next install works', async () => {
        await installBadly();
        const nothing = await host.operator('GET', '/installations');
        expect(nothing.json.items).to.deep.equal([]);
        const stored = JSON.parse(callsTo('/installed')[0]!.body.toString());

        const { status, json } = await install(host, addon.descriptorUrl);
        expect(status).to.equal(201);
        expect(json.clientKey).to.equal(stored.clientKey);
        expect((await addon.client(json.clientKey))!.sharedSecret).to.equal(stored.sharedSecret);
        await deliver();
        expect(pushes().map((call) => call.status)).to.deep.equal([204]);
      });

      it('on a re-install: it knows only the new secret, and the next install works', async () => {
        const { json } = await install(host, addon.descriptorUrl);
        const { sharedSecret: acknowledged } = (await addon.client(json.clientKey))!;
        await installBadly();
        const { sharedSecret: stored } = (await addon.client(json.clientKey))!;
        expect(stored).not.to.equal(acknowledged);

        const again = await install(host, addon.descriptorUrl);
        expect(again.status).to.equal(201);
        expect(again.json.clientKey).to.equal(json.clientKey);
        expect(again.json.exchanges.map(outcome)).to.deep.equal([400, 204]);
        expect((await addon.client(json.clientKey))!.sharedSecret).to.equal(stored);
        await deliver();
        expect(pushes().map((call) => call.status)).to.deep.equal([204]);
      });

      // Once is enough to see that silence is no different.
      if (how === 'silence') return;
      it('on a re-install twice: the third install works, and so does a fourth', async () => {
        await install(host, addon.descriptorUrl);
        await installBadly();
        await installBadly();
        expect((await install(host, addon.descriptorUrl)).status).to.equal(201);
        const fourth = await install(host, addon.descriptorUrl);
        expect(fourth.json.exchanges.map(outcome)).to.deep.equal([204]);
        await deliver();
        expect(pushes().map((call) => call.status)).to.deep.equal([204]);
      });
    });
  }

  describe('after a re-install that failed', () => {
    let id: string;

    beforeEach(async () => {
      ({ id } = (await install(host, addon.descriptorUrl)).json);
      addon.afterStoring = '500';
      await install(host, addon.descriptorUrl);
      addon.afterStoring = 'answer';
    });

    it('refuses webhooks, and gets them once it is installed again', async () => {
      await publish(host);
      const refused = await answered('/hooks/push');
      expect(refused.status).to.equal(400);
      await install(host, addon.descriptorUrl);
      await until(() => addon.webhooks.length === 1, 'the webhook to be tried again');
      expect(pushes().at(-1)!.headers['webhook-id']).to.equal(refused.headers['webhook-id']);
    });

    it('installs again after an uninstall, which it could not verify', async () => {
      await uninstall(host, id);
      expect((await answered('/uninstalled')).status).to.equal(400);
      expect((await install(host, addon.descriptorUrl)).status).to.equal(201);
      await deliver();
      expect(addon.webhooks).to.have.length(1);
    });
  });

  describe('its own calls', () => {
    let id: string;
    let clientKey: string;

    beforeEach(async () => {
      ({ id, clientKey } = (await install(host, addon.descriptorUrl)).json);
    });
    const call = (options: HttpClientOptions) => callAs(clientKey, options);

    it('are accepted with its JWT, in its context, for its scopes', async () => {
      const answer = await call('/2.0/repositories/acme/site');
      expect(answer.status).to.equal(200);
      expect(answer.json).to.deep.equal({
        full_name: 'acme/site',
        addon: 'express-addon',
        scopes: ['repository'],
      });
    });

    it('are accepted with a query that needs encoding', async () => {
      const path = '/2.0/repositories/acme/site';
      const written = await call(`${path}?q=name ~ "a+b" (*)&page=2&page=10`);
      expect(written.status).to.equal(200);
      const qs = { q: `name ~ "a+b" & 'é,*'`, page: ['2', '10'], empty: '' };
      expect((await call({ url: path, qs })).status).to.equal(200);
    });

    it('are refused outside its context, and without the scope', async () => {
      expect((await call('/2.0/repositories/other/site')).status).to.equal(403);
      expect((await call('/2.0/repositories/acme/site/issues')).status).to.equal(403);
    });

    it('are refused with a guessed secret', async () => {
      const client = (await addon.client(clientKey))!;
      await addon.ace.settings.saveInstallation({ ...client, sharedSecret: 'guessed' }, clientKey);
      expect((await call('/2.0/repositories/acme/site')).status).to.equal(401);
    });

    it('are refused once it is uninstalled', async () => {
      await uninstall(host, id);
      expect((await call('/2.0/repositories/acme/site')).status).to.equal(401);
    });

    it('are refused after an install that failed', async () => {
      await uninstall(host, id);
      addon.afterStoring = '500';
      await install(host, addon.descriptorUrl);
      expect((await call('/2.0/repositories/acme/site')).status).to.equal(401);
    });
  });

  describe('as a Jira add-on', () => {
    let keysBefore: string | undefined;

    beforeEach(async () => {
      await end();
      await begin({ product: 'jira' });
      keysBefore = process.env.CONNECT_KEYS_CDN_URL;
      process.env.CONNECT_KEYS_CDN_URL = `${host.url}/install-keys`;
    });
    afterEach(() => {
      if (keysBefore === undefined) delete process.env.CONNECT_KEYS_CDN_URL;
      else process.env.CONNECT_KEYS_CDN_URL = keysBefore;
    });

    it('installs, twice, by the RS256 signature and the key it fetches', async () => {
      const first = await install(host, addon.descriptorUrl);
      expect(first.status).to.equal(201);
      const second = await install(host, addon.descriptorUrl);
      expect(second.status).to.equal(201);
      expect(second.json.clientKey).to.equal(first.json.clientKey);
      await deliver();
      expect(addon.webhooks[0]).to.include({ clientKey: first.json.clientKey });
      const answer = await callAs(first.json.clientKey, '/2.0/repositories/acme/site');
      expect(answer.status).to.equal(200);
    });

    it('installs again after it stored the secret and answered 500', async () => {
      await install(host, addon.descriptorUrl);
      addon.afterStoring = '500';
      expect((await install(host, addon.descriptorUrl)).status).to.equal(502);
      addon.afterStoring = 'answer';
      const again = await install(host, addon.descriptorUrl);
      expect(again.json.exchanges.map(outcome)).to.deep.equal([204]);
      await deliver();
      expect(pushes()[0]!.status).to.equal(204);
    });

    it('believes the goodbye', async () => {
      const { json } = await install(host, addon.descriptorUrl);
      await uninstall(host, json.id);
      expect((await answered('/uninstalled')).status).to.equal(204);
    });

    it('does not install with the key of another host', async () => {
      const other = await startHost({ hasOwnInstallKey: true });
      process.env.CONNECT_KEYS_CDN_URL = `${other.url}/install-keys`;
      const { status, json } = await install(host, addon.descriptorUrl);
      await other.stop();
      expect(status).to.equal(502);
      expect(json.exchange.status).to.equal(400);
    });
  });

  it('may call from the moment it has stored the secret, before it answers installed', async () => {
    const during: Promise<{ status: number }>[] = [];
    addon.ace.on('host_settings_saved', (key: string) => {
      during.push(callAs(key, '/2.0/repositories/acme/site'));
    });
    await install(host, addon.descriptorUrl);
    await install(host, addon.descriptorUrl);
    const answers = await Promise.all(during);
    expect(answers.map(({ status }) => status)).to.deep.equal([200, 200]);
  });

  /** With addon.httpClient(), which signs as ACE does. */
  function callAs(
    clientKey: string,
    options: HttpClientOptions,
  ): Promise<{ status: number; json: unknown }> {
    return new Promise((resolve, reject) => {
      const done = (error: Error | null, response: { statusCode: number }, body: string) =>
        error ? reject(error) : resolve({ status: response.statusCode, json: JSON.parse(body) });
      void addon.ace.httpClient({ clientKey }).get(options, done);
    });
  }

  const callsTo = (path: string) => addon.calls.filter(({ url }) => url.split('?')[0] === path);
  const pushes = () => addon.calls.filter(({ url }) => url.includes('/hooks/push'));

  /** The first call to a path, once it has been answered. */
  const answered = (path: string) =>
    until(() => callsTo(path).find(({ status }) => status !== undefined), `an answer at ${path}`);

  /** Publishes a push and waits until ACE has answered its webhook. */
  async function deliver(): Promise<string> {
    const before = pushes().length;
    const event = await publish(host);
    await until(() => pushes()[before]?.status !== undefined, 'the webhook');
    return event;
  }
});

const outcome = ({ status }: { status: number | null }) => status;

/** Two routes of the product: one the add-on may call, one it may not. */
function repositories(host: RunningHost['host'], app: RunningHost['app']): void {
  const router = new Router();
  const resource = '{workspace}/{repo}';
  router.get(
    '/2.0/repositories/:workspace/:repo',
    host.guard('repository', { resource }),
    (ctx) => {
      const { installation, scopes } = ctx.state.mortise;
      const { workspace, repo } = ctx.params;
      ctx.body = { full_name: `${workspace}/${repo}`, addon: installation.addonKey, scopes };
    },
  );
  router.get(
    '/2.0/repositories/:workspace/:repo/issues',
    host.guard('issue', { resource }),
    (ctx) => {
      ctx.body = { values: [] };
    },
  );
  app.use(router.routes());
}
