// RFC 7523. Seen red: without the aud check, without takeAssertion, without actsAsUsers.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import Router from '@koa/router';
import { expect } from 'chai';
import jwt from 'jsonwebtoken';
import { forgeJwt, hmac } from '../attacks/attacked-host.ts';
import { type InstalledAddon, installAddon } from '../helpers/installed-addon.ts';
import { type RunningHost, startHost } from '../helpers/start-host.ts';

const PLATFORM = {
  key: 'people',
  name: 'People',
  contexts: { site: {} },
  scopes: {
    read: { sentence: 'Read' },
    write: { sentence: 'Write', implies: ['read'] },
    'act-as-user': { sentence: 'Act as you', actAsUser: true },
  },
  events: {},
};

describe('acting as a user', () => {
  let running: RunningHost;
  let installed: InstalledAddon;
  let ahead = 0;

  before(async () => {
    running = await startHost({
      platform: PLATFORM,
      clock: { now: () => Date.now() + ahead },
      product(host, app) {
        const router = new Router();
        router.get('/api/:site', host.guard('read'), (ctx) => {
          ctx.body = ctx.state.mortise;
        });
        app.use(router.routes());
      },
    });
    installed = await installAddon(running, {
      descriptor: { scopes: ['write', 'act-as-user'], modules: {} },
    });
  });
  after(async () => {
    await running.stop();
    await installed.addon.stop();
  });

  let count = 0;
  const claims = (more: Record<string, unknown> = {}) => ({
    iss: `urn:atlassian:connect:clientid:${installed.payload.oauthClientId}`,
    sub: 'urn:atlassian:connect:useraccountid:alice',
    tnt: running.url,
    aud: running.url,
    iat: Math.floor(Date.now() / 1000),
    exp: Math.floor(Date.now() / 1000) + 60,
    jti: String(++count),
    ...more,
  });
  const send = (assertion: string, scope = 'read') =>
    running.request('POST', '/oauth2/token', {
      body: new URLSearchParams({
        grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
        assertion,
        scope,
      }),
    });
  const ask = (body: object, secret = installed.payload.sharedSecret, scope = 'read') =>
    send(jwt.sign(body, secret, { algorithm: 'HS256' }), scope);
  const api = (token: string, site = 'acme') =>
    running.request('GET', `/api/${site}`, { headers: { authorization: `Bearer ${token}` } });

  it('gives a short token for that user, in the context of the installation, and no refresh token', async () => {
    const { status, json, text } = await ask(claims());
    expect(status, text).to.equal(200);
    expect(json)
      .to.include({ scope: 'read', expires_in: 900 })
      .and.not.have.property('refresh_token');
    const answer = await api(json.access_token);
    expect(answer.json.user).to.deep.equal({ id: 'alice' });
    expect(answer.json.installation.addonKey).to.equal('fake-addon');
    expect((await api(json.access_token, 'other')).status).to.equal(403);
  });

  it('takes an assertion once', async () => {
    const once = claims();
    expect((await ask(once)).status).to.equal(200);
    expect((await ask(once)).json.error).to.equal('invalid_grant');
  });

  const refused: [string, () => Promise<{ json: { error: string } }>, string][] = [
    ['for another server', () => ask(claims({ aud: 'https://other.example' })), 'invalid_grant'],
    [
      'for several servers',
      () => ask(claims({ aud: [running.url, 'https://evil.example'] })),
      'invalid_grant',
    ],
    [
      'that lives long',
      () => ask(claims({ exp: Math.floor(Date.now() / 1000) + 3600 })),
      'invalid_grant',
    ],
    [
      'that has expired',
      () => ask(claims({ exp: Math.floor(Date.now() / 1000) - 60 })),
      'invalid_grant',
    ],
    ['without a user', () => ask(claims({ sub: '' })), 'invalid_grant'],
    [
      'of nobody',
      () => ask(claims({ iss: 'urn:atlassian:connect:clientid:nobody' })),
      'invalid_grant',
    ],
    [
      'signed with the client secret',
      () => ask(claims(), installed.payload.oauthClientSecret),
      'invalid_grant',
    ],
    [
      'for a scope that was not granted',
      () => ask(claims(), undefined, 'nothing'),
      'invalid_scope',
    ],
  ];
  for (const [title, call, error] of refused) {
    it(`refuses an assertion ${title}`, async () => {
      expect((await call()).json.error).to.equal(error);
    });
  }

  // RFC 8725. Seen red: with the algorithms not pinned; without the check of crit.
  const forgeries: [title: string, forge: (body: object, secret: string) => string][] = [
    ['of alg none', (body) => forgeJwt({ alg: 'none' }, body)],
    ['without an algorithm', (body, secret) => forgeJwt({ typ: 'JWT' }, body, hmac(secret))],
    ['with an empty signature', (body) => forgeJwt({ alg: 'HS256' }, body)],
    ['signed with an empty key', (body) => forgeJwt({ alg: 'HS256' }, body, hmac(''))],
    ['of HS512', (body, secret) => forgeJwt({ alg: 'HS512' }, body, hmac(secret, 'sha512'))],
    [
      'that is an HMAC keyed with the host’s public key (RS256/HS256 confusion)',
      (body) => forgeJwt({ alg: 'HS256', kid }, body, hmac(publicPem)),
    ],
    [
      'with its own key in the header (jwk)',
      (body) => forgeJwt({ alg: 'HS256', jwk: { kty: 'oct', k: 'eA' } }, body, hmac('x')),
    ],
    [
      'with headers that are critical and not understood',
      (body, secret) => forgeJwt({ alg: 'HS256', crit: ['mars'], mars: 1 }, body, hmac(secret)),
    ],
  ];
  let kid: string;
  let publicPem: string;
  for (const [title, forge] of forgeries) {
    it(`refuses an assertion ${title}`, async () => {
      const { keys } = (await running.request('GET', '/.well-known/jwks.json')).json;
      ({ kid } = keys[0]);
      publicPem = (await running.request('GET', `/install-keys/${kid}`)).text;
      const assertion = forge(claims(), installed.payload.sharedSecret);
      const { status, json } = await send(assertion);
      expect([status, json.error]).to.deep.equal([400, 'invalid_grant']);
    });
  }

  it('asks nobody for the key that an assertion names (jku, x5u, kid)', async () => {
    const fetched: string[] = [];
    const server = createServer((request, response) => {
      fetched.push(request.url!);
      response.end('{"keys":[]}');
    }).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`;
    const header = { alg: 'HS256', jku: url, x5u: url, kid: url };
    expect((await send(forgeJwt(header, claims(), hmac('x')))).status).to.equal(400);
    const right = forgeJwt(header, claims(), hmac(installed.payload.sharedSecret));
    expect((await send(right)).status).to.equal(200);
    server.close();
    expect(fetched).to.deep.equal([]);
  });

  it('forgives a clock that is 30 s off, and no more', async () => {
    const seconds = Math.floor(Date.now() / 1000);
    const off = (by: number) => ask(claims({ iat: seconds - 60 + by, exp: seconds + by }));
    expect((await off(-25)).status).to.equal(200);
    expect((await off(-32)).json.error).to.equal('invalid_grant');
    const early = (by: number) => ask(claims({ nbf: seconds + by }));
    expect((await early(25)).status).to.equal(200);
    expect((await early(40)).json.error).to.equal('invalid_grant');
  });

  it('is refused to an installation that was not granted it, and ends when it is taken away', async () => {
    const { json } = await ask(claims());
    await running.operator('PATCH', `/installations/${installed.installation.id}`, {
      scopes: ['write'],
    });
    expect((await api(json.access_token)).status).to.equal(401);
    expect((await ask(claims())).json.error).to.equal('invalid_grant');
    await running.operator('PATCH', `/installations/${installed.installation.id}`, {
      scopes: ['write', 'act-as-user'],
    });
  });

  it('goes on over a rotation of the secrets; the old one signs for a day more', async () => {
    const { json } = await ask(claims());
    const { sharedSecret: old } = installed.payload;
    const { id } = installed.installation;
    const rotated = await running.operator('POST', `/installations/${id}/rotate-secret`);
    expect(rotated.status).to.equal(200);
    installed.payload = installed.addon.to('/installed').at(-1)!.json;
    expect((await api(json.access_token)).status).to.equal(200);
    expect((await ask(claims(), old)).status).to.equal(200);
    expect((await ask(claims())).status).to.equal(200);
    // Acting as a user is not acting for itself.
    const asUser = await running.request('POST', '/addon/v1/installation/rotate-secret', {
      headers: { authorization: `Bearer ${json.access_token}` },
    });
    expect([asUser.status, asUser.json.code]).to.deep.equal([401, 'invalid_token']);
    ahead = 24 * 3_600_000;
    const then = Math.floor((Date.now() + ahead) / 1000);
    const later = { iat: then, exp: then + 60 };
    expect((await ask(claims(later), old)).json.error).to.equal('invalid_grant');
    expect((await ask(claims(later))).status).to.equal(200);
    ahead = 0;
  });

  it('is refused for a user who is not active any more', async () => {
    const bob = { sub: 'bob' };
    const { json } = await ask(claims(bob));
    await running.operator('POST', '/users/bob/deactivate');
    expect((await api(json.access_token)).status).to.equal(401);
    expect((await ask(claims(bob))).json.error).to.equal('invalid_grant');
  });
});
