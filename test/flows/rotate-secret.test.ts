import { expect } from 'chai';
import jwt from 'jsonwebtoken';
import { Webhook } from 'standardwebhooks';
import { operatorOf } from '../../examples/story/operator.ts';
import { queryStringHash } from '../../src/core/connect-jwt.ts';
import { answer, fakeAddon, type ReceivedCall } from '../helpers/fake-addon.ts';
import { rowsInside } from '../helpers/inside-database.ts';
import {
  type InstalledAddon,
  installAddon,
  PUSH,
  tokenRequest,
} from '../helpers/installed-addon.ts';
import { databaseEnvironment, newDatabase } from '../helpers/new-database.ts';
import { MORTISE, startProcess } from '../helpers/process.ts';
import {
  OPERATOR_TOKEN,
  type RunningHost,
  type StartOptions,
  startHost,
} from '../helpers/start-host.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';
import { until } from '../helpers/until.ts';

const HOUR = 3_600_000;
const DOOR = '/addon/v1/installation/rotate-secret';

interface Secrets {
  sharedSecret: string;
  webhookSecret: string;
  oauthClientSecret: string;
}

/** Short enough for an excerpt to show them all. */
const secretsOf = ({ sharedSecret, webhookSecret, oauthClientSecret }: Secrets) => [
  sharedSecret,
  webhookSecret,
  oauthClientSecret,
];

describe('rotating the secrets of an installation', () => {
  let ahead: number;
  let running: RunningHost;
  let installed: InstalledAddon;
  const stops: (() => Promise<void>)[] = [];
  const clock = { now: () => Date.now() + ahead };

  async function start(options: StartOptions = {}): Promise<RunningHost> {
    const host = await startHost({ clock, random: () => 0, ...options });
    stops.push(() => host.stop());
    return host;
  }
  async function install(
    options: Parameters<typeof installAddon>[1] = {},
    on = running,
  ): Promise<InstalledAddon> {
    const made = await installAddon(on, options);
    stops.push(() => made.addon.stop());
    return made;
  }
  beforeEach(async () => {
    ahead = 0;
    running = await start();
    installed = await install();
  });
  afterEach(async () => {
    for (const stop of stops.splice(0).reverse()) await stop();
  });

  const rotate = (id = installed.installation.id) =>
    running.operator('POST', `/installations/${id}/rotate-secret`);
  const told = (count = 0): Secrets => installed.addon.to('/installed').at(count)!.json;
  const view = async () =>
    (await running.operator('GET', `/installations/${installed.installation.id}`)).json;
  const tokenOf = (call: ReceivedCall) => call.headers.authorization!.replace(/^JWT /, '');

  function isSignedWith(token: string, secret: string): boolean {
    try {
      jwt.verify(token, secret, { algorithms: ['HS256'], ignoreExpiration: true });
      return true;
    } catch {
      return false;
    }
  }
  /** As the add-on would, with one secret; the times of the test are not those of the library. */
  function holds(hook: ReceivedCall, signature: string, { webhookSecret }: Secrets): boolean {
    const id = String(hook.headers['webhook-id']);
    const at = new Date(Number(hook.headers['webhook-timestamp']) * 1000);
    return new Webhook(webhookSecret).sign(id, at, hook.body.toString()) === signature;
  }
  async function deliver(): Promise<ReceivedCall> {
    const { addon } = installed;
    const before = addon.to('/hook').length;
    expect((await running.operator('POST', '/events', PUSH)).status).to.equal(202);
    return addon.waitFor('/hook', before + 1);
  }
  const credentials = async ({ oauthClientSecret }: Secrets) =>
    (
      await tokenRequest(running, installed.payload.oauthClientId, oauthClientSecret, {
        grant_type: 'client_credentials',
      })
    ).status;
  function addonJwt(secret: string, method = 'GET', path = '/addon/v1/installation') {
    const now = Math.floor(clock.now() / 1000);
    const { key, clientKey } = installed.payload;
    const claims = { iss: key, sub: clientKey, iat: now, exp: now + 60 };
    return jwt.sign({ ...claims, qsh: queryStringHash(method, path) }, secret);
  }
  const byJwt = async ({ sharedSecret }: Secrets) =>
    (
      await running.request('GET', '/addon/v1/installation', {
        headers: { authorization: `JWT ${addonJwt(sharedSecret)}` },
      })
    ).status;
  const me = async (bearer: string) =>
    (
      await running.request('GET', '/addon/v1/installation', {
        headers: { authorization: `Bearer ${bearer}` },
      })
    ).status;

  it('tells three new ones by an installed call that the old one signs, and shows none', async () => {
    const before = await view();
    const { status, json, text } = await rotate();
    expect(status, text).to.equal(200);
    expect(json).to.have.all.keys('rotatedAt', 'previousValidUntil', 'exchange');
    expect(Date.parse(json.previousValidUntil) - Date.parse(json.rotatedAt)).to.equal(24 * HOUR);
    expect(json.exchange).to.include({ kind: 'installed', method: 'POST', status: 204 });
    const [first, second] = installed.addon.to('/installed');
    for (const name of ['sharedSecret', 'webhookSecret', 'oauthClientSecret']) {
      expect(second!.json[name], name).to.be.a('string').and.not.equal(first!.json[name]);
      expect(text).not.to.include(second!.json[name]).and.not.include(first!.json[name]);
    }
    const { clientKey, oauthClientId } = first!.json;
    expect(second!.json).to.deep.include({ clientKey, oauthClientId, eventType: 'installed' });
    expect(isSignedWith(tokenOf(second!), first!.json.sharedSecret)).to.equal(true);
    const after = await view();
    for (const same of [
      'state',
      'scopes',
      'resources',
      'descriptorVersion',
      'webhooks',
      'installedAt',
    ])
      expect(after[same], same).to.deep.equal(before[same]);
  });

  it('keeps the grant, and the tokens under it, those made during the call too', async () => {
    const bearer = await installed.token();
    let during = '';
    installed.addon.respond = async (call, response) => {
      if (call.url === '/installed') {
        const { oauthClientId, oauthClientSecret } = call.json;
        const parameters = { grant_type: 'client_credentials' };
        during = (await tokenRequest(running, oauthClientId, oauthClientSecret, parameters)).json
          .access_token;
      }
      response.writeHead(204).end();
    };
    expect((await rotate()).status).to.equal(200);
    expect([await me(bearer), await me(during)]).to.deep.equal([200, 200]);
    const inForce = await rowsInside(
      running.database,
      `SELECT t.token_hash FROM oauth_grants g JOIN oauth_access_tokens t ON t.grant_id = g.id
       WHERE g.until IS NULL AND g.handshake_id IS NULL`,
    );
    expect(inForce).to.have.length(2);
  });

  it('signs webhooks twice until a day has passed, then once; JWT and hub with the new one at once', async () => {
    await rotate();
    const [old, fresh] = [told(0), told(1)];
    const hook = await deliver();
    const signatures = String(hook.headers['webhook-signature']).split(' ');
    expect(signatures.map((one) => [holds(hook, one, fresh), holds(hook, one, old)])).to.deep.equal(
      [
        [true, false],
        [false, true],
      ],
    );
    for (const secrets of [old, fresh]) {
      const headers = hook.headers as Record<string, string>;
      expect(() => new Webhook(secrets.webhookSecret).verify(hook.body, headers)).not.to.throw();
    }
    expect(isSignedWith(tokenOf(hook), fresh.sharedSecret)).to.equal(true);
    ahead = 24 * HOUR - 5_000;
    expect(String((await deliver()).headers['webhook-signature']).split(' ')).to.have.length(2);
    // Nothing has changed in the store, and the installation is kept in memory.
    ahead = 24 * HOUR;
    const later = await deliver();
    const [only, ...more] = String(later.headers['webhook-signature']).split(' ');
    expect(more).to.deep.equal([]);
    expect(holds(later, only!, fresh)).to.equal(true);
  });

  it('takes the add-on’s old secrets for a day beside the new ones, and then no more', async () => {
    await rotate();
    const [old, fresh] = [told(0), told(1)];
    const statuses = async () => [
      await credentials(old),
      await byJwt(old),
      await credentials(fresh),
      await byJwt(fresh),
    ];
    expect(await statuses()).to.deep.equal([200, 200, 200, 200]);
    ahead = 24 * HOUR - 5_000;
    expect(await statuses()).to.deep.equal([200, 200, 200, 200]);
    ahead = 24 * HOUR;
    expect(await statuses()).to.deep.equal([401, 401, 200, 200]);
  });

  it('deletes the old ones when their time is over', async () => {
    await rotate();
    const kept = () =>
      rowsInside(
        running.database,
        `SELECT id FROM installations
         WHERE previous_secrets IS NOT NULL OR previous_secrets_until IS NOT NULL
         UNION ALL SELECT id FROM oauth_clients
         WHERE previous_secret_hash IS NOT NULL OR previous_secret_until IS NOT NULL`,
      );
    expect(await kept()).to.have.length(2);
    ahead = 24 * HOUR;
    await until(async () => (await kept()).length === 0, 'the old secrets to be deleted');
    expect([await byJwt(told(0)), await byJwt(told(1))]).to.deep.equal([401, 200]);
  });

  it('says what is wrong with a JWT, whichever secret signed it', async () => {
    await rotate();
    for (const { sharedSecret } of [told(0), told(1)]) {
      const { json } = await running.request('GET', '/addon/v1/installation', {
        headers: { authorization: `JWT ${addonJwt(sharedSecret, 'GET', '/elsewhere')}` },
      });
      expect(json.detail ?? json.title).to.match(/qsh/);
    }
  });

  describe('refused by the add-on', () => {
    it('leaves all as it was', async () => {
      const bearer = await installed.token();
      const before = await view();
      const old = told(0);
      installed.addon.respond = (call, response) =>
        response
          .writeHead(call.url === '/installed' ? 500 : 204)
          .end(JSON.stringify([...secretsOf(call.json), ...secretsOf(old)]));
      const { status, json, text } = await rotate();
      expect([status, json.code]).to.deep.equal([502, 'rotation_refused']);
      expect(json.detail).to.include('the old secrets stay in force');
      expect(json.exchange).to.include({ status: 500 });
      const failed = told(1);
      const shown = [text, JSON.stringify(await view())].join();
      expect(shown).to.include('…');
      for (const secret of [failed, old].flatMap(secretsOf)) expect(shown).not.to.include(secret);

      const { exchanges: _, updatedAt: __, ...rest } = await view();
      expect(before).to.deep.include(rest);
      expect([await credentials(old), await byJwt(old), await me(bearer)]).to.deep.equal([
        200, 200, 200,
      ]);
      expect([await credentials(failed), await byJwt(failed)]).to.deep.equal([401, 401]);
      const hook = await deliver();
      const signature = String(hook.headers['webhook-signature']);
      expect(holds(hook, signature, old)).to.equal(true);
      expect(isSignedWith(tokenOf(hook), old.sharedSecret)).to.equal(true);
    });

    it('tells the same ones next time: signed with the old, and if that is doubted with these', async () => {
      installed.addon.respond = answer(500);
      await rotate();
      const stored = told(1);
      installed.addon.respond = (call, response) => {
        const isKnown =
          call.url !== '/installed' || isSignedWith(tokenOf(call), stored.sharedSecret);
        response.writeHead(isKnown ? 204 : 401).end();
      };
      expect((await rotate()).status).to.equal(200);
      const [, , doubted, believed] = installed.addon.to('/installed');
      expect(isSignedWith(tokenOf(doubted!), told(0).sharedSecret)).to.equal(true);
      const { sharedSecret, webhookSecret } = stored;
      expect(believed!.json).to.include({ sharedSecret, webhookSecret });
      expect(isSignedWith(tokenOf(await deliver()), sharedSecret)).to.equal(true);
    });

    it('while it moved to another origin, is not asked with the secret that one was told', async () => {
      const elsewhere = await install({ descriptor: { key: 'other-addon' } });
      elsewhere.addon.descriptor.key = 'fake-addon';
      elsewhere.addon.respond = answer(500);
      const moving = { descriptorUrl: elsewhere.addon.descriptorUrl, context: 'acme' };
      await running.operator('POST', '/installations', { ...moving, acceptNewOrigin: true });
      const theirs = elsewhere.addon.to('/installed').at(-1)!.json;
      installed.addon.respond = answer(401);
      expect((await rotate()).status).to.equal(502);
      const calls = installed.addon.to('/installed').slice(1);
      expect(calls).to.have.length(1);
      expect(calls[0]!.json.sharedSecret).not.to.equal(theirs.sharedSecret);
      expect(isSignedWith(tokenOf(calls[0]!), theirs.sharedSecret)).to.equal(false);
    });
  });

  it('is not possible unless it is enabled, and the add-on can be told', async () => {
    const { id } = installed.installation;
    const code = async (of = id) => {
      const { status, json } = await rotate(of);
      return [status, json.code];
    };
    await running.operator('PATCH', `/installations/${id}`, { state: 'disabled' });
    expect(await code()).to.deep.equal([409, 'installation_not_enabled']);
    await running.operator('DELETE', `/installations/${id}`);
    expect(await code()).to.deep.equal([409, 'installation_not_enabled']);
    expect(await code('nothing')).to.deep.equal([404, 'installation_not_found']);
    const untold = await install({
      descriptor: { key: 'untold', lifecycle: {} },
    });
    expect(await code(untold.installation.id)).to.deep.equal([409, 'installed_not_declared']);
    expect(installed.addon.to('/installed')).to.have.length(1);
  });

  describe('while another handshake is under way', () => {
    let release: () => void;
    async function begin(call: () => Promise<unknown>) {
      installed.addon.respond = (_call, response) => {
        release = () => response.writeHead(204).end();
      };
      const before = installed.addon.to('/installed').length;
      const pending = call();
      await installed.addon.waitFor('/installed', before + 1);
      return pending as ReturnType<typeof rotate>;
    }
    const reinstall = () =>
      running.operator('POST', '/installations', {
        descriptorUrl: installed.addon.descriptorUrl,
        context: 'acme',
      });

    for (const [what, call] of [
      ['a rotation', () => rotate()],
      ['a re-install', () => reinstall()],
    ] as const) {
      it(`${what}: install_in_progress, at once`, async () => {
        const result: { status?: number } = {};
        let waiting: Promise<unknown> = Promise.resolve();
        await begin(async () => {
          waiting = call().then(({ status }) => Object.assign(result, { status }));
        });
        const { status, json } = await rotate();
        expect([status, json.code]).to.deep.equal([409, 'install_in_progress']);
        expect(result).to.deep.equal({});
        release();
        await waiting;
        expect(result.status).to.be.oneOf([200, 201]);
        expect(installed.addon.to('/installed')).to.have.length(2);
      });
    }

    for (const [how, answers] of [
      ['an add-on that takes its time', 300],
      ['one that answers at once', 0],
    ] as const)
      it(`two at once, of ${how}: one is made, the other is told so`, async () => {
        installed.addon.respond = (_call, response) => {
          setTimeout(() => response.writeHead(204).end(), answers);
        };
        const both = await Promise.all([rotate(), rotate()]);
        expect(both.map(({ status }) => status).sort()).to.deep.equal([200, 409]);
        expect(installed.addon.to('/installed')).to.have.length(2);
        expect([await byJwt(told(0)), await byJwt(told(1))]).to.deep.equal([200, 200]);
      });

    it('changed meanwhile, a late yes changes nothing', async () => {
      let waiting: Promise<{ status: number; json: { code: string } }> | undefined;
      await begin(async () => {
        waiting = rotate();
      });
      const { id } = installed.installation;
      await running.operator('PATCH', `/installations/${id}`, { scopes: [] });
      release();
      const late = await waiting!;
      expect([late.status, late.json.code]).to.deep.equal([409, 'rotation_cancelled']);
      expect((await view()).scopes).to.deep.equal([]);
      expect([await byJwt(told(0)), await byJwt(told(1))]).to.deep.equal([200, 401]);
    });
  });

  describe('by the add-on itself', () => {
    const ask = (authorization: string) =>
      running.request('POST', DOOR, { headers: { authorization } });

    it('works with its token and with its JWT, old or new', async () => {
      const old = told(0);
      const first = await ask(`Bearer ${await installed.token()}`);
      expect(first.status, first.text).to.equal(200);
      expect(first.json).to.have.all.keys('rotatedAt', 'previousValidUntil', 'exchange');
      const second = await ask(`JWT ${addonJwt(old.sharedSecret, 'POST', DOOR)}`);
      expect(second.status, second.text).to.equal(200);
      const third = await ask(`JWT ${addonJwt(told(2).sharedSecret, 'POST', DOOR)}`);
      expect(third.status, third.text).to.equal(200);
      for (const secret of [told(1), told(2), told(3)].flatMap(secretsOf))
        expect(first.text + second.text + third.text).not.to.include(secret);
    });

    it('is of its own installation only, and of nobody without one', async () => {
      const other = await install({ descriptor: { key: 'other-addon' } });
      const stolen = other.payload.clientKey;
      const now = Math.floor(clock.now() / 1000);
      const forged = jwt.sign(
        {
          iss: 'other-addon',
          sub: stolen,
          iat: now,
          exp: now + 60,
          qsh: queryStringHash('POST', DOOR),
        },
        told(0).sharedSecret,
      );
      for (const authorization of [
        `JWT ${forged}`,
        `JWT ${addonJwt(told(0).sharedSecret)}`,
        'Bearer mta_x',
        '',
      ]) {
        const { status, json } = await ask(authorization);
        expect([status, json.code], authorization).to.deep.equal([401, 'invalid_token']);
      }
      expect((await ask(`Bearer ${await installed.token()}`)).status).to.equal(200);
      expect(other.addon.to('/installed')).to.have.length(1);
      expect(installed.addon.to('/installed')).to.have.length(2);
      const { status } = await running.request(
        'POST',
        `/operator/v1/installations/${other.installation.id}/rotate-secret`,
        { headers: { authorization: `Bearer ${await installed.token()}` } },
      );
      expect(status).to.equal(401);
    });
  });

  it('of an add-on that is installed again ends the overlap: the old ones may be known elsewhere', async () => {
    await rotate();
    const moved = await install({ descriptor: { key: 'other-addon' } });
    moved.addon.descriptor.key = 'fake-addon';
    const again = await running.operator('POST', '/installations', {
      descriptorUrl: moved.addon.descriptorUrl,
      context: 'acme',
      acceptNewOrigin: true,
    });
    expect(again.status).to.equal(201);
    for (const old of [told(0), told(1)])
      expect([await credentials(old), await byJwt(old)]).to.deep.equal([401, 401]);
  });

  it('of an add-on that is uninstalled leaves none that work', async () => {
    await rotate();
    await running.operator('DELETE', `/installations/${installed.installation.id}`);
    for (const old of [told(0), told(1)])
      expect([await credentials(old), await byJwt(old)]).to.deep.equal([401, 401]);
  });

  it('ten times under load: every webhook holds with a secret the add-on has at that time', async function () {
    this.timeout(60_000);
    const held: Secrets[] = [told(0)];
    const unverified: string[] = [];
    let received = 0;
    installed.addon.respond = (call, response) => {
      if (call.url === '/installed') {
        held.push(call.json);
      } else {
        received++;
        // The last two: what it was told, and what that replaced.
        const known = held.slice(-2);
        const headers = call.headers as Record<string, string>;
        const isStandard = known.some(({ webhookSecret }) => {
          try {
            return new Webhook(webhookSecret).verify(call.body, headers) !== undefined;
          } catch {
            return false;
          }
        });
        const isConnect = known.some(({ sharedSecret }) =>
          isSignedWith(tokenOf(call), sharedSecret),
        );
        if (!isStandard) unverified.push(`${held.length} standard`);
        if (!isConnect) unverified.push(`${held.length} connect`);
      }
      response.writeHead(204).end();
    };
    let isOver = false;
    let published = 0;
    const load = (async () => {
      while (!isOver) {
        await running.operator('POST', '/events', PUSH);
        published++;
      }
    })();
    for (let i = 1; i <= 10; i++) {
      await until(() => received >= i * 20, 'webhooks between rotations');
      const { status, text } = await rotate();
      expect(status, text).to.equal(200);
    }
    isOver = true;
    await load;
    await until(() => received >= published, 'all webhooks');
    expect(unverified).to.deep.equal([]);
    expect(held).to.have.length(11);
  });

  it('killed between the call and the commit, signs with the old ones, and tells the same ones again', async function () {
    this.timeout(60_000);
    const database = await newDatabase(temporaryFolder());
    const child = startProcess(
      [MORTISE, 'serve', '--dev', '--platform', 'platforms/bitbucket.json', '--port', '0'],
      {
        MORTISE_DATA: temporaryFolder(),
        ...databaseEnvironment(database),
        MORTISE_OPERATOR_TOKEN: OPERATOR_TOKEN,
      },
    );
    stops.push(() => child.kill());
    const [, url] = await child.waitFor(/mortise listening on (\S+)/);
    const operator = operatorOf(url!, OPERATOR_TOKEN);
    const addon = await fakeAddon();
    stops.push(() => addon.stop());
    const made = await operator('POST', '/installations', {
      descriptorUrl: addon.descriptorUrl,
      context: 'acme',
    });
    installed = { ...installed, addon, installation: made.json };
    // It stores what it is told, and has not answered when the host dies.
    addon.respond = () => undefined;
    const cut = operator('POST', `/installations/${made.json.id}/rotate-secret`).catch(() => 'cut');
    await addon.waitFor('/installed', 2);
    await child.kill();
    expect(await cut).to.equal('cut');
    const stored = told(1);

    addon.respond = answer(204);
    running = await start({ database });
    const stillOld = await deliver();
    expect(isSignedWith(tokenOf(stillOld), told(0).sharedSecret)).to.equal(true);
    // Longer than the handshake may take: nobody can say yes to it any more.
    ahead = 60_000;
    addon.respond = (call, response) => {
      const isKnown = call.url !== '/installed' || isSignedWith(tokenOf(call), stored.sharedSecret);
      response.writeHead(isKnown ? 204 : 401).end();
    };
    const { status, text } = await rotate();
    expect(status, text).to.equal(200);
    const { sharedSecret, webhookSecret } = stored;
    expect(told(-1)).to.include({ sharedSecret, webhookSecret });
    expect(addon.to('/installed')).to.have.length(4);
    expect(isSignedWith(tokenOf(await deliver()), stored.sharedSecret)).to.equal(true);
  });
});
