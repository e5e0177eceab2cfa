// One credential in the place of another, and the right one in the wrong place.
import { expect } from 'chai';
import {
  authorizePath,
  registerConsumer,
  type TestConsumer,
  token,
  tokensOfAlice,
} from '../helpers/consumer.ts';
import { type InstalledAddon, installAddon } from '../helpers/installed-addon.ts';
import type { RunningHost } from '../helpers/start-host.ts';
import {
  addonClaims,
  callApi,
  codeOf,
  forgeJwt,
  hmac,
  redeem,
  signedIn,
  startAttackedHost,
} from './attacked-host.ts';

describe('a credential in the place of another', () => {
  let running: RunningHost;
  let consumer: TestConsumer;
  let installed: InstalledAddon;
  let made: { access: string; refresh: string; code: string; unused: string; jwt: string };

  before(async () => {
    running = await startAttackedHost();
    consumer = await registerConsumer(running);
    installed = await installAddon(running, { descriptor: { scopes: ['repository:write'] } });
    const { tokens, code, browser } = await tokensOfAlice(running, consumer);
    const unused = await codeOf(browser, authorizePath(consumer, { prompt: 'consent' }));
    made = {
      access: tokens.access_token,
      refresh: tokens.refresh_token,
      code,
      unused,
      jwt: forgeJwt(
        { alg: 'HS256', typ: 'JWT' },
        addonClaims(installed.payload, 'GET', '/api/acme/site'),
        hmac(installed.payload.sharedSecret),
      ),
    };
  });
  after(async () => {
    await running.stop();
    await installed.addon.stop();
  });

  it('each works in its own place, or the rest of this proves nothing', async () => {
    expect((await callApi(running, `Bearer ${made.access}`)).status).to.equal(200);
    expect((await callApi(running, `JWT ${made.jwt}`)).status).to.equal(200);
  });

  // Seen to fail: a Bearer with dots handed on to byJwt in host/caller.ts, a JWT that begins with mta_ handed on to
  // byToken, and any scheme taken for Bearer. The prefix check of byToken alone guards nothing: codes, refresh tokens and
  // access tokens are in tables of their own.
  const asBearer: [string, () => string][] = [
    ['a refresh token', () => `Bearer ${made.refresh}`],
    ['a code', () => `Bearer ${made.unused}`],
    ['a code that was redeemed', () => `Bearer ${made.code}`],
    ['a client secret', () => `Bearer ${consumer.clientSecret}`],
    ["an add-on's shared secret", () => `Bearer ${installed.payload.sharedSecret}`],
    ['a client id', () => `Bearer ${consumer.clientId}`],
    ['a Connect JWT as Bearer', () => `Bearer ${made.jwt}`],
    ['an access token as JWT', () => `JWT ${made.access}`],
    ['the hash of an access token', () => `Bearer mta_${Buffer.from(made.access).toString('hex')}`],
    ['an access token and more', () => `Bearer ${made.access}x`],
    ['an access token cut short', () => `Bearer ${made.access.slice(0, -1)}`],
    ['an access token in other letters', () => `Bearer ${made.access.toUpperCase()}`],
    ['two tokens', () => `Bearer ${made.access},${made.access}`],
    ['a token without a scheme', () => made.access],
    ['a token of another scheme', () => `Token ${made.access}`],
    [
      'a token as Basic user',
      () => `Basic ${Buffer.from(`${made.access}:x-oauth-basic`).toString('base64')}`,
    ],
    [
      'a consumer’s own id and secret',
      () =>
        `Basic ${Buffer.from(`${consumer.clientId}:${consumer.clientSecret}`).toString('base64')}`,
    ],
  ];
  for (const [title, authorization] of asBearer) {
    it(`does not open the product's API: ${title}`, async () => {
      for (const path of ['/api/acme/site', '/git/acme/site', '/addon/v1/installation']) {
        const answer = await callApi(running, authorization(), path);
        expect(answer.status, path).to.equal(401);
        expect(answer.headers.get('www-authenticate')).to.be.a('string');
      }
    });
  }

  it('does not open the operator API', async () => {
    for (const value of [made.access, made.refresh, made.jwt, consumer.clientSecret!]) {
      const answer = await callApi(running, `Bearer ${value}`, '/operator/v1/consumers');
      expect(answer.status).to.equal(401);
    }
  });

  // Seen to fail: with findCaller reading access_token from the query, and jwt, as ACE does.
  it('is not taken from the query or the body of a call', async () => {
    const { access, jwt } = made;
    for (const path of [
      `/api/acme/site?access_token=${access}`,
      `/api/acme/site?token=${access}`,
      `/api/acme/site?oauth_token=${access}`,
      `/api/acme/site?jwt=${jwt}`,
      `/addon/v1/installation?jwt=${jwt}`,
    ]) {
      expect((await callApi(running, undefined, path)).status, path).to.equal(401);
    }
    for (const body of [
      new URLSearchParams({ access_token: access }),
      new URLSearchParams({ jwt }),
    ]) {
      const answer = await running.request('POST', '/api/acme/site', { body });
      expect([answer.status, answer.json.code]).to.deep.equal([401, 'token_missing']);
    }
    const cookie = { headers: { cookie: `access_token=${access}; mortise_session=${access}` } };
    expect((await running.request('GET', '/api/acme/site', cookie)).status).to.equal(401);
  });

  it('in the query of the token endpoint, neither a secret nor a grant counts', async () => {
    const { clientId, clientSecret } = consumer;
    const query = new URLSearchParams({
      grant_type: 'client_credentials',
      client_id: clientId,
      client_secret: clientSecret!,
    });
    const inQuery = await running.request('POST', `/oauth2/token?${query}`, {
      body: new URLSearchParams({ grant_type: 'client_credentials' }),
    });
    expect(inQuery.status).to.equal(401);
    const all = await running.request('POST', `/oauth2/token?${query}`, {
      body: new URLSearchParams({ a: '1' }),
    });
    expect(all.status).to.equal(400);
    expect((await running.request('GET', `/oauth2/token?${query}`)).status).to.be.oneOf([404, 405]);
  });

  it('does not stand for another grant', async () => {
    for (const parameters of [
      { grant_type: 'refresh_token', refresh_token: made.access },
      { grant_type: 'refresh_token', refresh_token: made.unused },
      { grant_type: 'authorization_code', code: made.refresh },
      { grant_type: 'authorization_code', code: made.access },
    ] as Record<string, string>[]) {
      const { status, json } = await token(running, consumer, parameters);
      expect([status, json.error]).to.deep.equal([400, 'invalid_grant']);
    }
    // And none of it was used up or revoked by the attempt.
    expect((await redeem(running, consumer, made.unused)).status).to.equal(200);
    expect((await callApi(running, `Bearer ${made.access}`)).status).to.equal(200);
  });

  // Seen to fail: with matchesHash for the current secret taken out of oauth/client-auth.ts.
  it('does not authenticate a client', async () => {
    const { payload } = installed;
    for (const [clientId, clientSecret] of [
      [consumer.clientId, made.access],
      [consumer.clientId, made.refresh],
      [consumer.clientId, ''],
      [consumer.clientId, payload.oauthClientSecret],
      [payload.oauthClientId, consumer.clientSecret],
      [payload.oauthClientId, payload.webhookSecret],
      [payload.clientKey, payload.oauthClientSecret],
      [payload.key, payload.sharedSecret],
    ] as [string, string][]) {
      const by = { clientId, clientSecret };
      const { status, json } = await token(running, by, { grant_type: 'client_credentials' });
      expect([status, json.error], clientId).to.deep.equal([401, 'invalid_client']);
    }
  });

  // Seen to fail: `isPublic` taken out of oauth/client-auth.ts.
  it('a confidential client cannot leave its secret out by only naming itself', async () => {
    const named = { clientId: consumer.clientId, clientSecret: undefined };
    const browser = await signedIn(running);
    const code = await codeOf(browser, authorizePath(consumer, { prompt: 'consent' }));
    expect((await redeem(running, named, code)).json.error).to.equal('invalid_client');
    expect((await redeem(running, consumer, code)).status).to.equal(200);
  });
});
