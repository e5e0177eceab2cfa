import { connect } from 'node:net';
import Router from '@koa/router';
import { expect } from 'chai';
import jwt from 'jsonwebtoken';
import { queryStringHash } from '../../src/core/connect-jwt.ts';
import { Browser } from '../helpers/browser.ts';
import {
  authorizePath,
  CALLBACK,
  consent,
  pkce,
  registerConsumer,
  type TestConsumer,
  token,
  tokensOfAlice,
} from '../helpers/consumer.ts';
import { type InstalledAddon, installAddon } from '../helpers/installed-addon.ts';
import { type Answer, type RunningHost, startHost } from '../helpers/start-host.ts';

const HOUR = 3_600_000;
const CC = { grant_type: 'client_credentials' };

// Seen to fail, taken out in turn: the client in introspectToken, revokeToken (host/token-endpoints.ts) and
// revokeRefreshToken, the end of a secret's overlap (oauth/client-auth.ts), the end of grants when a consumer is deleted and a
// user deactivated, the JWT in oauth/bitbucket-jwt.ts, the context in host/guard.ts; with [] read as null, and with the
// issuer taken from the Host header.
describe('tokens and consumers', () => {
  let running: RunningHost;
  let now: number;
  let consumer: TestConsumer;
  let other: TestConsumer;
  let phone: TestConsumer;

  before(async () => {
    now = Date.now();
    running = await startHost({
      clock: { now: () => now },
      paused: true,
      product(host, app) {
        const router = new Router();
        const tell = (ctx: { state: Record<string, unknown>; body: unknown }) => {
          ctx.body = ctx.state.mortise;
        };
        const resource = { resource: '{workspace}/{repo}' };
        router.get('/api/:workspace/:repo', host.guard('repository', resource), tell);
        router.get('/admin/:workspace/:repo', host.guard('repository:admin', resource), tell);
        router.get('/2.0/user', host.guard('account'), tell);
        router.get('/all/:workspace', host.guard('repository'), tell);
        app.use(router.routes());
      },
    });
    consumer = await registerConsumer(running);
    other = await registerConsumer(running, { name: 'Other' });
    phone = await registerConsumer(running, { name: 'Phone', public: true, scopes: ['issue'] });
  });
  after(() => running.stop());

  const call = (path: string, bearer: string): Promise<Answer> =>
    running.request('GET', path, { headers: { authorization: `Bearer ${bearer}` } });
  const statusOf = async (path: string, bearer: string) => (await call(path, bearer)).status;
  const introspect = async (bearer: string, by = consumer) =>
    (await token(running, by, { token: bearer }, '/oauth2/introspect')).json;
  const revoke = (what: string, by = consumer, more: Record<string, string> = {}) =>
    token(running, by, { token: what, ...more }, '/oauth2/revoke');
  const own = async (by = consumer, more: Record<string, string> = {}): Promise<string> => {
    const { status, json, text } = await token(running, by, { ...CC, ...more });
    expect(status, text).to.equal(200);
    return json.access_token;
  };

  async function phoneTokens(): Promise<{ access_token: string; refresh_token: string }> {
    const browser = new Browser(running);
    await browser.signIn('alice');
    const { verifier, challenge } = pkce();
    const path = authorizePath(phone, { code_challenge: challenge, code_challenge_method: 'S256' });
    const code = (await consent(browser, path)).get('code')!;
    const { json } = await token(running, phone, {
      grant_type: 'authorization_code',
      code,
      redirect_uri: CALLBACK,
      code_verifier: verifier,
    });
    return json;
  }

  describe('introspection', () => {
    it('tells a client about its own token', async () => {
      const { tokens } = await tokensOfAlice(running, consumer, { prompt: 'consent' });
      const about = await introspect(tokens.access_token);
      expect(about).to.deep.equal({
        active: true,
        client_id: consumer.clientId,
        scope: 'repository:write issue email',
        token_type: 'bearer',
        exp: Math.floor((now + HOUR) / 1000),
        iss: running.url,
        sub: 'alice',
      });
      expect(await introspect(await own())).to.include({ active: true, context: 'acme' });
    });

    it('says of every other token the same as of none', async () => {
      const { tokens, code } = await tokensOfAlice(running, consumer, { prompt: 'consent' });
      for (const [title, about] of [
        ['foreign', await introspect(tokens.access_token, other)],
        ['unknown', await introspect(`mta_${'x'.repeat(43)}`)],
        ['a refresh token', await introspect(tokens.refresh_token)],
        ['a code', await introspect(code)],
        ['a client secret', await introspect(consumer.clientSecret!)],
        ['empty', await introspect('')],
      ] as const) {
        expect(about, title).to.deep.equal({ active: false });
      }
    });

    it('ends with the hour', async () => {
      const bearer = await own();
      now += HOUR - 1000;
      expect((await introspect(bearer)).active).to.equal(true);
      now += 1000;
      expect(await introspect(bearer)).to.deep.equal({ active: false });
      expect((await call('/api/acme/site', bearer)).json.code).to.equal('invalid_token');
    });

    it('needs a client that proves itself', async () => {
      const bearer = await own();
      for (const [headers, form] of [
        [{}, {}],
        [{}, { client_id: consumer.clientId }],
        [{}, { client_id: consumer.clientId, client_secret: 'wrong' }],
        [{ authorization: `Bearer ${bearer}` }, {}],
      ] as [Record<string, string>, Record<string, string>][]) {
        const answer = await running.request('POST', '/oauth2/introspect', {
          headers,
          body: new URLSearchParams({ token: bearer, ...form }),
        });
        expect([answer.status, answer.json.error]).to.deep.equal([401, 'invalid_client']);
        expect(answer.headers.get('cache-control')).to.equal('no-store');
      }
    });

    it('needs to be asked about something', async () => {
      const answer = await token(running, consumer, {}, '/oauth2/introspect');
      expect([answer.status, answer.json.error]).to.deep.equal([400, 'invalid_request']);
    });
  });

  describe('revocation', () => {
    it('of an access token ends that one alone', async () => {
      const { tokens } = await tokensOfAlice(running, consumer, { prompt: 'consent' });
      const answer = await revoke(tokens.access_token);
      expect([answer.status, answer.text]).to.deep.equal([200, '{}']);
      expect(answer.headers.get('content-type')).to.match(/^application\/json/);
      expect(await statusOf('/api/acme/site', tokens.access_token)).to.equal(401);
      const next = await token(running, consumer, {
        grant_type: 'refresh_token',
        refresh_token: tokens.refresh_token,
      });
      expect(next.status).to.equal(200);
    });

    it('of a refresh token ends the grant, and asks again next time', async () => {
      const { tokens, browser } = await tokensOfAlice(running, consumer, { prompt: 'consent' });
      await revoke(tokens.refresh_token);
      expect(await statusOf('/api/acme/site', tokens.access_token)).to.equal(401);
      const list = await running.operator('GET', '/grants?user=alice');
      const clients = list.json.items.map((grant: { clientId: string }) => grant.clientId);
      expect(clients).not.to.include(consumer.clientId);
      expect((await browser.get(authorizePath(consumer))).status).to.equal(200);
    });

    it('of another client’s token answers alike and does nothing', async () => {
      const { tokens } = await tokensOfAlice(running, consumer, { prompt: 'consent' });
      for (const what of [tokens.access_token, tokens.refresh_token]) {
        const { status, text } = await revoke(what, other);
        expect([status, text]).to.deep.equal([200, '{}']);
        expect((await revoke(what, phone)).status).to.equal(200);
      }
      expect(await statusOf('/api/acme/site', tokens.access_token)).to.equal(200);
    });

    it('of what was never a token answers 200', async () => {
      for (const what of [`mta_${'x'.repeat(43)}`, `mtr_${'x'.repeat(43)}`, 'nonsense', '\0']) {
        expect((await revoke(what)).status).to.equal(200);
      }
    });

    it('does not need the right hint', async () => {
      const { tokens } = await tokensOfAlice(running, consumer, { prompt: 'consent' });
      await revoke(tokens.access_token, consumer, { token_type_hint: 'refresh_token' });
      expect(await statusOf('/api/acme/site', tokens.access_token)).to.equal(401);
      await revoke(tokens.refresh_token, consumer, { token_type_hint: 'access_token' });
      const next = { grant_type: 'refresh_token', refresh_token: tokens.refresh_token };
      expect((await token(running, consumer, next)).status).to.equal(400);
    });

    it('is for public clients too, about their own', async () => {
      const tokens = await phoneTokens();
      await revoke(tokens.refresh_token, phone);
      const next = { grant_type: 'refresh_token', refresh_token: tokens.refresh_token };
      expect((await token(running, phone, next)).json.error).to.equal('invalid_grant');
    });

    it('needs a client, and a token', async () => {
      const nobody = { clientId: 'nobody', clientSecret: 'x' };
      expect((await revoke('mta_x', nobody)).status).to.equal(401);
      expect((await token(running, consumer, {}, '/oauth2/revoke')).status).to.equal(400);
    });
  });

  describe('the metadata', () => {
    const path = '/.well-known/oauth-authorization-server';

    it('names every endpoint below the configured issuer', async () => {
      const { status, headers, json } = await running.request('GET', path);
      expect(status).to.equal(200);
      expect(headers.get('content-type')).to.match(/^application\/json/);
      expect(json).to.deep.include({
        issuer: running.url,
        authorization_endpoint: `${running.url}/oauth2/authorize`,
        token_endpoint: `${running.url}/oauth2/token`,
        revocation_endpoint: `${running.url}/oauth2/revoke`,
        introspection_endpoint: `${running.url}/oauth2/introspect`,
        jwks_uri: `${running.url}/.well-known/jwks.json`,
        response_types_supported: ['code'],
        response_modes_supported: ['query'],
        code_challenge_methods_supported: ['S256'],
        authorization_response_iss_parameter_supported: true,
      });
      expect(json.grant_types_supported).to.include.members([
        'authorization_code',
        'refresh_token',
        'client_credentials',
        'urn:bitbucket:oauth2:jwt',
      ]);
      // RFC 9700: neither belongs to an authorization server of today.
      expect(json.grant_types_supported).not.to.include.members(['implicit']);
      expect(json.grant_types_supported).not.to.include.members(['password']);
      expect(json.scopes_supported).to.include.members(['repository', 'account']);
    });

    it('is the same whatever Host a request names', async () => {
      const { port, hostname } = new URL(running.url);
      const answer = await new Promise<string>((resolve, reject) => {
        let text = '';
        const socket = connect(Number(port), hostname, () =>
          socket.write(
            `GET ${path} HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: evil.example\r\nX-Forwarded-Proto: https\r\nForwarded: host=evil.example\r\nConnection: close\r\n\r\n`,
          ),
        );
        socket.on('data', (chunk) => {
          text += chunk;
        });
        socket.on('end', () => resolve(text));
        socket.on('error', reject);
      });
      expect(answer).to.match(/^HTTP\/1\.1 200/);
      expect(answer).to.include(`"issuer":"${running.url}"`);
      expect(answer).not.to.include('evil.example');
    });

    it('says of every endpoint whether a public client may use it, and that is so', async () => {
      const { json } = await running.request('GET', path);
      const { access_token } = await phoneTokens();
      const takesPublic = async (door: string) =>
        (await token(running, phone, { token: access_token }, `/oauth2/${door}`)).status === 200;
      expect(
        {
          introspect: json.introspection_endpoint_auth_methods_supported.includes('none'),
          revoke: json.revocation_endpoint_auth_methods_supported.includes('none'),
        },
        'what the metadata says, and what the endpoints do',
      ).to.deep.equal({
        introspect: await takesPublic('introspect'),
        revoke: await takesPublic('revoke'),
      });
    });
  });

  describe('a consumer, by the operator API', () => {
    it('that is narrowed takes the scope from users’ tokens made before', async () => {
      const wide = await registerConsumer(running, { scopes: ['repository', 'issue'] });
      const { tokens } = await tokensOfAlice(running, wide);
      const scopeNow = async () =>
        (await token(running, wide, { token: tokens.access_token }, '/oauth2/introspect')).json
          .scope;
      expect(await scopeNow()).to.equal('repository issue');
      await running.operator('PATCH', `/consumers/${wide.clientId}`, { scopes: ['issue'] });
      expect(await scopeNow()).to.equal('issue');
    });

    it('without an owner may ask users, and acts for nobody itself', async () => {
      const homeless = await registerConsumer(running, { owner: undefined });
      const { status, json } = await token(running, homeless, { grant_type: 'client_credentials' });
      expect([status, json.error]).to.deep.equal([400, 'invalid_grant']);
    });

    const body = { name: 'New', redirectUris: [CALLBACK], scopes: ['repository'], owner: 'acme' };
    const create = (more: Record<string, unknown> = {}) =>
      running.operator('POST', '/consumers', { ...body, ...more });

    it('is shown its secret once', async () => {
      const { status, json } = await create();
      expect(status).to.equal(201);
      expect(json.clientId).to.match(/^[A-Za-z0-9_-]+$/);
      expect(json.clientSecret).to.match(/^[A-Za-z0-9_-]{43}$/);
      expect(json).to.deep.include({ scopes: ['repository'], grandfathered: false, owner: 'acme' });
      for (const path of [`/consumers/${json.clientId}`, '/consumers']) {
        const shown = await running.operator('GET', path);
        expect(shown.text).to.include(json.clientId);
        expect(shown.text).not.to.include(json.clientSecret);
      }
    });

    it('without a secret if it is public, and then cannot act for itself', async () => {
      const { json } = await create({ public: true });
      expect(json).not.to.have.property('clientSecret');
      const answer = await token(running, json, CC);
      expect([answer.status, answer.json.error]).to.deep.equal([400, 'unauthorized_client']);
    });

    const refusals: [string, Record<string, unknown>, number, string][] = [
      ['a scope that does not exist', { scopes: ['repo'] }, 422, 'scope_unknown'],
      ['all scopes for a new one', { scopes: null }, 422, 'consumer_invalid'],
      ['no name', { name: ' ' }, 422, 'consumer_invalid'],
      ['a misspelt field', { redirectUri: CALLBACK }, 422, 'field_unknown'],
      [
        'an import without a usable secret',
        { clientId: 'old-1', clientSecret: '', scopes: null },
        422,
        'consumer_invalid',
      ],
      ['half an import: an id alone', { clientId: 'old-2' }, 422, 'consumer_invalid'],
      ['half an import: a secret alone', { clientSecret: 'of-long-ago' }, 422, 'consumer_invalid'],
    ];
    for (const [title, more, status, code] of refusals) {
      it(`is refused with ${title}`, async () => {
        const answer = await create(more);
        expect([answer.status, answer.json.code], answer.text).to.deep.equal([status, code]);
      });
    }

    it('that was registered before scopes existed acts with all there are', async () => {
      const old = { clientId: 'key-of-2012', clientSecret: 'secret-of-2012' };
      const { status, json } = await create({ ...old, scopes: null });
      expect(status).to.equal(201);
      expect(json).to.include({ clientId: old.clientId, scopes: null, grandfathered: true });
      const bearer = await own(old);
      for (const path of ['/api/acme/site', '/admin/acme/site', '/2.0/user'])
        expect(await statusOf(path, bearer), path).to.equal(200);
      const twice = await create({ ...old, scopes: null });
      expect([twice.status, twice.json.code]).to.deep.equal([409, 'client_id_taken']);
    });

    it('of no scopes reaches nothing: [] is not null', async () => {
      const none = { clientId: 'key-of-none', clientSecret: 'secret-of-none' };
      expect((await create({ ...none, scopes: [] })).json).to.deep.include({
        scopes: [],
        grandfathered: false,
      });
      const bearer = await own(none);
      for (const path of ['/api/acme/site', '/admin/acme/site', '/2.0/user'])
        expect(await statusOf(path, bearer), path).to.equal(403);
      const asked = await token(running, none, { ...CC, scope: 'email' });
      expect(asked.json.error).to.equal('invalid_scope');
    });

    it('that is narrowed to nothing reaches nothing, with tokens made before', async () => {
      const made = (await create()).json;
      const bearer = await own(made);
      expect(await statusOf('/api/acme/site', bearer)).to.equal(200);
      await running.operator('PATCH', `/consumers/${made.clientId}`, { scopes: [] });
      expect(await statusOf('/api/acme/site', bearer)).to.equal(403);
      const back = await running.operator('PATCH', `/consumers/${made.clientId}`, { scopes: null });
      expect(back.status).to.equal(422);
    });

    it('keeps its old secret for a day after rotation, and not a moment longer', async () => {
      const made = (await create()).json;
      const patch = await running.operator('PATCH', `/consumers/${made.clientId}`, {
        rotateSecret: true,
      });
      const fresh = { clientId: made.clientId, clientSecret: patch.json.clientSecret };
      expect(fresh.clientSecret).not.to.equal(made.clientSecret);
      const works = async (by: TestConsumer) => (await token(running, by, CC)).status;
      expect([await works(made), await works(fresh)]).to.deep.equal([200, 200]);
      now += 24 * HOUR - 1000;
      expect(await works(made)).to.equal(200);
      now += 1000;
      expect([await works(made), await works(fresh)]).to.deep.equal([401, 200]);
    });

    it('keeps two secrets at most: rotated twice, the first is dead', async () => {
      const made = (await create()).json;
      const path = `/consumers/${made.clientId}`;
      await running.operator('PATCH', path, { rotateSecret: true });
      await running.operator('PATCH', path, { rotateSecret: true });
      expect((await token(running, made, CC)).status).to.equal(401);
    });

    it('that is deleted is gone, with its tokens, and its name is not taken again', async () => {
      const made = (await create()).json;
      const bearer = await own(made);
      const { tokens, browser } = await tokensOfAlice(running, made, {});
      const done = await running.operator('DELETE', `/consumers/${made.clientId}`);
      expect(done.status).to.equal(204);
      expect(await statusOf('/api/acme/site', bearer)).to.equal(401);
      expect(await statusOf('/api/acme/site', tokens.access_token)).to.equal(401);
      expect((await token(running, made, CC)).json.error).to.equal('invalid_client');
      const page = await browser.get(authorizePath(made));
      expect([page.status, page.location]).to.deep.equal([400, null]);
      const shown = await running.operator('GET', `/consumers/${made.clientId}`);
      expect(shown.status).to.equal(404);
      const again = await create({ clientId: made.clientId, clientSecret: 'another-secret' });
      expect(again.status).to.equal(409);
    });

    it('acts for itself in the context of its owner, and nowhere else', async () => {
      const bearer = await own();
      const inside = await call('/api/acme/site', bearer);
      expect(inside.json).to.deep.include({ context: 'acme', consumer: { id: consumer.clientId } });
      expect(inside.json).not.to.have.any.keys('user', 'installation');
      const outside = await call('/api/globex/site', bearer);
      expect([outside.status, outside.json.code]).to.deep.equal([403, 'resource_not_granted']);
      expect(await statusOf('/all/globex', bearer)).to.equal(403);
      expect(await statusOf('/addon/v1/installation', bearer)).to.equal(401);
    });
  });

  describe('urn:bitbucket:oauth2:jwt', () => {
    const PATH = '/site/oauth2/access_token';
    let installed: InstalledAddon;
    before(async () => {
      installed = await installAddon(running, { descriptor: { scopes: ['repository'] } });
    });
    after(() => installed.addon.stop());

    const signed = (path = PATH) =>
      `JWT ${jwt.sign(
        {
          iss: installed.payload.key,
          sub: installed.payload.clientKey,
          iat: Math.floor(now / 1000),
          exp: Math.floor(now / 1000) + 180,
          qsh: queryStringHash('POST', path),
        },
        installed.payload.sharedSecret,
      )}`;
    const ask = (authorization: string | undefined, more: Record<string, string> = {}) =>
      running.request('POST', PATH, {
        ...(authorization !== undefined && { headers: { authorization } }),
        body: new URLSearchParams({ grant_type: 'urn:bitbucket:oauth2:jwt', ...more }),
      });

    it('gives the installation a token, and no refresh token', async () => {
      const { status, json, text } = await ask(signed());
      expect(status, text).to.equal(200);
      expect(json).to.include({ token_type: 'bearer', scopes: 'repository' });
      expect(json).not.to.have.property('refresh_token');
      const inside = await call('/api/acme/site', json.access_token);
      expect(inside.json.installation).to.include({ id: installed.installation.id });
      expect(await statusOf('/api/globex/site', json.access_token)).to.equal(403);
    });

    it('limits the token to the repositories it names', async () => {
      const { status, json } = await ask(signed(), {
        bitbucket_repository: 'acme/site, acme/docs',
      });
      expect(status).to.equal(200);
      expect(await statusOf('/api/acme/site', json.access_token)).to.equal(200);
      expect(await statusOf('/api/acme/docs', json.access_token)).to.equal(200);
      const elsewhere = await call('/api/acme/secret', json.access_token);
      expect([elsewhere.status, elsewhere.json.code]).to.deep.equal([403, 'resource_not_granted']);
    });

    it('is not for a client secret, in whatever place', async () => {
      const { oauthClientId: client_id, oauthClientSecret: client_secret } = installed.payload;
      const basic = `Basic ${Buffer.from(`${client_id}:${client_secret}`).toString('base64')}`;
      for (const answer of [
        await ask(basic),
        await ask(undefined, { client_id, client_secret }),
        await ask(undefined),
        await ask(
          `Basic ${Buffer.from(`${consumer.clientId}:${consumer.clientSecret}`).toString('base64')}`,
        ),
      ]) {
        expect([answer.status, answer.json.error]).to.deep.equal([401, 'invalid_client']);
      }
      const both = await ask(signed(), { client_id, client_secret });
      expect([both.status, both.json.error]).to.deep.equal([400, 'invalid_request']);
    });

    it('cannot be widened beyond what the installation was limited to', async () => {
      const path = `/installations/${installed.installation.id}`;
      await running.operator('PATCH', path, { resources: ['acme/site'] });
      const { status, json } = await ask(signed(), { bitbucket_repository: 'acme/secret' });
      expect([status, json.error]).to.deep.equal([400, 'invalid_scope']);
      expect((await ask(signed(), { scope: 'repository:write' })).json.error).to.equal(
        'invalid_scope',
      );
      await running.operator('PATCH', path, { resources: null });
    });

    it('is over when the add-on is uninstalled', async () => {
      const { json } = await ask(signed());
      await running.operator('DELETE', `/installations/${installed.installation.id}`);
      expect(await statusOf('/api/acme/site', json.access_token)).to.equal(401);
      const answer = await ask(signed());
      expect([answer.status, answer.json.error]).to.deep.equal([401, 'invalid_client']);
    });
  });

  it('of a user who is deactivated are dead, and nobody signs in as them again to consent', async () => {
    const browser = new Browser(running);
    await browser.signIn('dora');
    const code = (await consent(browser, authorizePath(consumer))).get('code')!;
    const { json } = await token(running, consumer, {
      grant_type: 'authorization_code',
      code,
      redirect_uri: CALLBACK,
    });
    expect(await statusOf('/api/acme/site', json.access_token)).to.equal(200);
    const done = await running.operator('POST', '/users/dora/deactivate', {});
    expect(done.json).to.deep.equal({ id: 'dora', endedGrants: 1 });
    expect(await statusOf('/api/acme/site', json.access_token)).to.equal(401);
    expect((await running.operator('GET', '/grants?user=dora')).json.items).to.deep.equal([]);
    const again = new Browser(running);
    await again.signIn('dora');
    const answer = await again.get(authorizePath(consumer));
    expect(new URL(answer.location!).searchParams.get('error')).to.equal('access_denied');
    // Of others nothing changed.
    const { tokens } = await tokensOfAlice(running, consumer, { prompt: 'consent' });
    expect(await statusOf('/api/acme/site', tokens.access_token)).to.equal(200);
  });
});
