import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import Router from '@koa/router';
import { expect } from 'chai';
import * as oauth from 'oauth4webapi';
import * as openid from 'openid-client';
import { AuthorizationCode, ClientCredentials } from 'simple-oauth2';
import { Browser } from '../helpers/browser.ts';
import {
  authorizePath,
  CALLBACK,
  consent,
  registerConsumer,
  type TestConsumer,
} from '../helpers/consumer.ts';
import { type RunningHost, startHost } from '../helpers/start-host.ts';
import { passportSite } from './oauth2-passport-site.ts';

const USERS: Record<string, object> = {
  alice: {
    uuid: '{0b4c1f2e-0000-4000-8000-00000000a11c}',
    username: 'alice',
    display_name: 'Alice Example',
    links: { html: { href: 'https://code.example/alice' } },
  },
};

describe('OAuth 2 clients, unmodified', () => {
  let running: RunningHost;
  let consumer: TestConsumer;
  let browser: Browser;

  before(async () => {
    running = await startHost({
      product(host, app) {
        const router = new Router();
        router.get('/2.0/user', host.guard('account'), (ctx) => {
          ctx.body = USERS[ctx.state.mortise.user?.id ?? ''];
        });
        router.get(
          '/api/:workspace/:repo',
          host.guard('repository', { resource: '{workspace}/{repo}' }),
          (ctx) => {
            ctx.body = ctx.state.mortise;
          },
        );
        app.use(router.routes());
      },
    });
    consumer = await registerConsumer(running, { scopes: ['repository:write', 'account'] });
  });
  beforeEach(async () => {
    browser = new Browser(running);
    await browser.signIn('alice');
  });
  after(() => running.stop());

  /** What the person does whom the client sent to the host. @returns where the browser goes */
  async function allow(url: string | URL): Promise<URL> {
    const asked = new URL(url);
    asked.searchParams.set('prompt', 'consent');
    const answer = await consent(browser, asked.href);
    return new URL(`${asked.searchParams.get('redirect_uri') ?? CALLBACK}?${answer}`);
  }

  const callApi = async (bearer: string): Promise<number> =>
    (
      await running.request('GET', '/api/acme/site', {
        headers: { authorization: `Bearer ${bearer}` },
      })
    ).status;

  describe('openid-client', () => {
    const discover = (by: TestConsumer, authentication?: openid.ClientAuth) =>
      openid.discovery(new URL(running.url), by.clientId, by.clientSecret, authentication, {
        algorithm: 'oauth2',
        execute: [openid.allowInsecureRequests],
      });

    async function signIn(config: openid.Configuration, more: Record<string, string> = {}) {
      const pkceCodeVerifier = openid.randomPKCECodeVerifier();
      const expectedState = openid.randomState();
      const url = openid.buildAuthorizationUrl(config, {
        redirect_uri: CALLBACK,
        code_challenge: await openid.calculatePKCECodeChallenge(pkceCodeVerifier),
        code_challenge_method: 'S256',
        state: expectedState,
        ...more,
      });
      return openid.authorizationCodeGrant(config, await allow(url), {
        pkceCodeVerifier,
        expectedState,
      });
    }

    for (const [title, authentication] of [
      ['client_secret_basic', openid.ClientSecretBasic],
      ['client_secret_post', openid.ClientSecretPost],
    ] as const) {
      it(`goes through the code flow and everything after it, by ${title}`, async () => {
        const config = await discover(consumer, authentication(consumer.clientSecret!));
        const tokens = await signIn(config, { scope: 'repository:write' });
        expect(tokens).to.include({ token_type: 'bearer', scope: 'repository:write' });
        expect(tokens.expires_in).to.equal(3600);
        expect(await callApi(tokens.access_token)).to.equal(200);

        const about = await openid.tokenIntrospection(config, tokens.access_token);
        expect(about).to.include({
          active: true,
          client_id: consumer.clientId,
          scope: 'repository:write',
          sub: 'alice',
          iss: running.url,
        });

        const next = await openid.refreshTokenGrant(config, tokens.refresh_token!, {
          scope: 'repository',
        });
        expect(next.scope).to.equal('repository');
        expect(next.refresh_token).to.be.a('string').and.not.equal(tokens.refresh_token);
        expect(await callApi(next.access_token)).to.equal(200);

        await openid.tokenRevocation(config, next.refresh_token!);
        expect(await callApi(next.access_token)).to.equal(401);
        expect((await openid.tokenIntrospection(config, next.access_token)).active).to.equal(false);
      });
    }

    it('acts for itself by client credentials, without a refresh token', async () => {
      const config = await discover(consumer);
      const tokens = await openid.clientCredentialsGrant(config, { scope: 'repository' });
      expect(tokens.scope).to.equal('repository');
      expect(tokens).not.to.have.property('refresh_token');
      expect(await callApi(tokens.access_token)).to.equal(200);
      await openid.tokenRevocation(config, tokens.access_token);
      expect(await callApi(tokens.access_token)).to.equal(401);
    });

    it('signs in and refreshes as a public client', async () => {
      const phone = await registerConsumer(running, { public: true, scopes: ['repository'] });
      const config = await discover(phone, openid.None());
      const tokens = await signIn(config);
      const next = await openid.refreshTokenGrant(config, tokens.refresh_token!);
      expect(await callApi(next.access_token)).to.equal(200);
    });

    it('is told of a denial, and of a wrong secret, as its documentation says', async () => {
      const config = await discover(consumer);
      const url = openid.buildAuthorizationUrl(config, {
        redirect_uri: CALLBACK,
        prompt: 'consent',
      });
      const answer = await consent(browser, url.href, { answer: 'deny' });
      const denied = await openid
        .authorizationCodeGrant(config, new URL(`${CALLBACK}?${answer}`))
        .catch((error) => error);
      expect(denied).to.be.instanceOf(openid.AuthorizationResponseError);
      expect(denied.error).to.equal('access_denied');

      const wrong = await discover({ ...consumer, clientSecret: 'wrong' });
      const refused = await openid.clientCredentialsGrant(wrong).catch((error) => error);
      // The challenge is read before the body.
      expect(refused).to.be.instanceOf(openid.WWWAuthenticateChallengeError);
      expect(refused.status).to.equal(401);
    });
  });

  describe('oauth4webapi', () => {
    const insecure = { [oauth.allowInsecureRequests]: true };
    let server: oauth.AuthorizationServer;
    let client: oauth.Client;
    let secret: oauth.ClientAuth;

    before(async () => {
      const issuer = new URL(running.url);
      server = await oauth.processDiscoveryResponse(
        issuer,
        await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...insecure }),
      );
      client = { client_id: consumer.clientId };
      secret = oauth.ClientSecretBasic(consumer.clientSecret!);
    });

    async function authorize() {
      const verifier = oauth.generateRandomCodeVerifier();
      const state = oauth.generateRandomState();
      const url = new URL(server.authorization_endpoint!);
      for (const [name, value] of Object.entries({
        client_id: client.client_id,
        redirect_uri: CALLBACK,
        response_type: 'code',
        scope: 'repository:write',
        code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
        code_challenge_method: 'S256',
        state,
      })) {
        url.searchParams.set(name, value);
      }
      return { answer: await allow(url), state, verifier };
    }

    it('finds the issuer exactly as configured', () => {
      expect(server.issuer).to.equal(running.url);
      expect(server.issuer).not.to.match(/\/$/);
    });

    it('refuses an answer whose iss is another server, or missing: a mix-up', async () => {
      const { answer, state } = await authorize();
      oauth.validateAuthResponse(server, client, answer, state);
      const other = new URL(answer);
      other.searchParams.set('iss', 'https://evil.example');
      expect(() => oauth.validateAuthResponse(server, client, other, state)).to.throw('"iss"');
      const none = new URL(answer);
      none.searchParams.delete('iss');
      expect(() => oauth.validateAuthResponse(server, client, none, state)).to.throw('"iss"');
    });

    it('goes through the code flow, refresh, introspection and revocation', async () => {
      const { answer, state, verifier } = await authorize();
      const parameters = oauth.validateAuthResponse(server, client, answer, state);
      const tokens = await oauth.processAuthorizationCodeResponse(
        server,
        client,
        await oauth.authorizationCodeGrantRequest(
          server,
          client,
          secret,
          parameters,
          CALLBACK,
          verifier,
          insecure,
        ),
      );
      expect(await callApi(tokens.access_token)).to.equal(200);

      const next = await oauth.processRefreshTokenResponse(
        server,
        client,
        await oauth.refreshTokenGrantRequest(
          server,
          client,
          secret,
          tokens.refresh_token!,
          insecure,
        ),
      );
      const introspect = async () =>
        oauth.processIntrospectionResponse(
          server,
          client,
          await oauth.introspectionRequest(server, client, secret, next.access_token, insecure),
        );
      const about = await introspect();
      expect(about).to.include({ active: true, client_id: client.client_id, iss: running.url });
      expect(about.exp).to.be.within(Date.now() / 1000 + 3500, Date.now() / 1000 + 3600);

      await oauth.processRevocationResponse(
        await oauth.revocationRequest(server, client, secret, next.refresh_token!, insecure),
      );
      expect((await introspect()).active).to.equal(false);
      expect(await callApi(next.access_token)).to.equal(401);
    });

    it('reads the error of a wrong verifier', async () => {
      const { answer, state } = await authorize();
      const parameters = oauth.validateAuthResponse(server, client, answer, state);
      const response = await oauth.authorizationCodeGrantRequest(
        server,
        client,
        secret,
        parameters,
        CALLBACK,
        oauth.generateRandomCodeVerifier(),
        insecure,
      );
      const error = await oauth
        .processAuthorizationCodeResponse(server, client, response)
        .catch((thrown) => thrown);
      expect(error).to.be.instanceOf(oauth.ResponseBodyError);
      expect(error.error).to.equal('invalid_grant');
    });

    it('acts for itself by client credentials', async () => {
      const tokens = await oauth.processClientCredentialsResponse(
        server,
        client,
        await oauth.clientCredentialsGrantRequest(
          server,
          client,
          oauth.ClientSecretPost(consumer.clientSecret!),
          { scope: 'repository' },
          insecure,
        ),
      );
      expect(tokens.scope).to.equal('repository');
      expect(await callApi(tokens.access_token)).to.equal(200);
    });
  });

  describe('simple-oauth2', () => {
    for (const authorizationMethod of ['header', 'body'] as const) {
      const settings = () => ({
        client: { id: consumer.clientId, secret: consumer.clientSecret! },
        auth: {
          tokenHost: running.url,
          tokenPath: '/oauth2/token',
          authorizePath: '/oauth2/authorize',
          revokePath: '/oauth2/revoke',
        },
        options: { authorizationMethod },
      });

      it(`gets a token, refreshes it and revokes all, with its secret in the ${authorizationMethod}`, async () => {
        const client = new AuthorizationCode(settings());
        const state = 's t&=+%20ü';
        const url = client.authorizeURL({
          redirect_uri: CALLBACK,
          scope: ['repository', 'account'],
          state,
        });
        const answer = await allow(url);
        expect(answer.searchParams.get('state')).to.equal(state);
        const first = await client.getToken({
          code: answer.searchParams.get('code')!,
          redirect_uri: CALLBACK,
        });
        expect(first.token.scope).to.equal('repository account');
        expect(first.expired()).to.equal(false);

        const next = await first.refresh();
        expect(next.token.refresh_token).not.to.equal(first.token.refresh_token);
        expect(await callApi(String(next.token.access_token))).to.equal(200);

        // Strict: an answer that is not JSON throws here.
        await next.revokeAll();
        expect(await callApi(String(next.token.access_token))).to.equal(401);
        expect(await callApi(String(first.token.access_token))).to.equal(401);
        const error = await next.refresh().catch((thrown) => thrown);
        expect(error.data.payload.error).to.equal('invalid_grant');
      });

      it(`acts for itself, with its secret in the ${authorizationMethod}`, async () => {
        const { auth, client, options } = settings();
        const { authorizePath: _, ...rest } = auth;
        const { token } = await new ClientCredentials({ client, options, auth: rest }).getToken({
          scope: 'repository',
        });
        expect(await callApi(String(token.access_token))).to.equal(200);
      });
    }
  });

  it("passport-bitbucket-oauth2 signs a person in at the platform's own addresses", async () => {
    const site = await passportSite({
      authorizationURL: `${running.url}/site/oauth2/authorize`,
      tokenURL: `${running.url}/site/oauth2/access_token`,
      userProfileURL: `${running.url}/2.0/user`,
    });
    try {
      const registered = await registerConsumer(running, {
        redirectUris: [site.callbackURL],
        scopes: ['account'],
      });
      site.use(registered.clientId, registered.clientSecret!);
      const visitor = new Browser(site);
      const start = await visitor.get('/auth');
      expect(start.status).to.equal(302);
      expect(start.location).to.match(/\/site\/oauth2\/authorize\?/);
      const back = await allow(start.location!);
      const signedIn = await visitor.get(back.href);
      expect([signedIn.status, signedIn.location], signedIn.text).to.deep.equal([302, '/me']);
      const me = JSON.parse((await visitor.get('/me')).text);
      expect(me).to.include({
        id: '{0b4c1f2e-0000-4000-8000-00000000a11c}',
        username: 'alice',
        displayName: 'Alice Example',
        profileUrl: 'https://code.example/alice',
      });
      expect(me.refreshToken).to.match(/^mtr_/);
    } finally {
      await site.stop();
    }
  });

  describe('curl', () => {
    const curl = async (...args: string[]) =>
      JSON.parse((await promisify(execFile)('curl', ['-sS', '--fail-with-body', ...args])).stdout);

    before(async function () {
      await promisify(execFile)('curl', ['--version']).catch(() => this.skip());
    });

    it("follows Bitbucket's documentation: -u for the client, -d for the grant", async () => {
      const { clientId, clientSecret } = consumer;
      const code = (await consent(browser, authorizePath(consumer, { prompt: 'consent' }))).get(
        'code',
      )!;
      const endpoint = `${running.url}/site/oauth2/access_token`;
      const user = ['-u', `${clientId}:${clientSecret}`];
      const form = ['-d', 'grant_type=authorization_code', '-d', `code=${code}`];
      const tokens = await curl(
        ...user,
        ...form,
        '--data-urlencode',
        `redirect_uri=${CALLBACK}`,
        endpoint,
      );
      expect(tokens.scopes).to.equal('repository:write account');
      const again = await curl(
        ...user,
        '-d',
        'grant_type=refresh_token',
        '-d',
        `refresh_token=${tokens.refresh_token}`,
        endpoint,
      );
      const bearer = ['-H', `Authorization: Bearer ${again.access_token}`];
      expect((await curl(...bearer, `${running.url}/2.0/user`)).username).to.equal('alice');
    });
  });

  it('understands every way a client may write an id and a secret into Basic', async () => {
    // An imported pair may hold any visible characters; only encoded do they come through unharmed.
    const odd = {
      clientId: "old-~_.!*'()+id",
      clientSecret: `a+b%c&d=e:f ${randomBytes(4).toString('hex')}`,
    };
    await registerConsumer(running, { ...odd, scopes: null });
    const strict = (text: string) =>
      encodeURIComponent(text).replace(/[-_.!~*'()]/g, (c) => `%${c.charCodeAt(0).toString(16)}`);
    const form = (text: string) => new URLSearchParams({ '': text }).toString().slice(1);
    for (const encode of [strict, form, encodeURIComponent]) {
      const { status, text } = await running.request('POST', '/oauth2/token', {
        headers: {
          authorization: `Basic ${Buffer.from(`${encode(odd.clientId)}:${encode(odd.clientSecret)}`).toString('base64')}`,
        },
        body: new URLSearchParams({ grant_type: 'client_credentials' }),
      });
      expect(status, text).to.equal(200);
    }
  });
});
