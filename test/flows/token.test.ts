import { expect } from 'chai';
import jwt from 'jsonwebtoken';
import { queryStringHash } from '../../src/core/connect-jwt.ts';
import { type InstalledAddon, installAddon, tokenRequest } from '../helpers/installed-addon.ts';
import { type Answer, type RunningHost, startHost } from '../helpers/start-host.ts';

describe('the token endpoint', () => {
  let running: RunningHost;
  let installed: InstalledAddon;

  before(async () => {
    running = await startHost();
    installed = await installAddon(running, {
      descriptor: { scopes: ['repository:write', 'issue'] },
    });
  });
  after(async () => {
    await running.stop();
    await installed.addon.stop();
  });

  const basic = (id: string, secret: string) =>
    `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`;
  const post = (
    headers: Record<string, string>,
    body: Record<string, string> | string,
    path = '/oauth2/token',
  ): Promise<Answer> =>
    running.request('POST', path, {
      headers,
      body: typeof body === 'string' ? body : new URLSearchParams(body),
    });
  const good = () => basic(installed.payload.oauthClientId, installed.payload.oauthClientSecret);
  const CC = { grant_type: 'client_credentials' };

  it('answers with a bearer token for an hour and both names of its scopes, never to be kept', async () => {
    const { status, json, headers } = await post({ authorization: good() }, CC);
    expect(status).to.equal(200);
    expect(json).to.include({
      token_type: 'bearer',
      expires_in: 3600,
      scope: 'repository:write issue',
      scopes: 'repository:write issue',
    });
    expect(json.access_token).to.match(/^mta_[A-Za-z0-9_-]{43}$/);
    expect(json).not.to.have.property('refresh_token');
    expect(headers.get('cache-control')).to.equal('no-store');
  });

  it("answers at the platform's alias too", async () => {
    expect(
      (await post({ authorization: good() }, CC, '/site/oauth2/access_token')).status,
    ).to.equal(200);
  });

  it('narrows to what is asked for, implied scopes included', async () => {
    const { json } = await post({ authorization: good() }, { ...CC, scope: 'repository' });
    expect(json.scope).to.equal('repository');
  });

  it('takes the secret in the body, and in both places when they agree', async () => {
    const { oauthClientId: client_id, oauthClientSecret: client_secret } = installed.payload;
    expect((await post({}, { ...CC, client_id, client_secret })).status).to.equal(200);
    expect(
      (await post({ authorization: good() }, { ...CC, client_id, client_secret })).status,
    ).to.equal(200);
  });

  it('decodes form-encoded Basic halves', async () => {
    const { oauthClientId, oauthClientSecret } = installed.payload;
    const encode = (text: string) =>
      text.replace(/[^A-Za-z0-9]/g, (c) => `%${c.charCodeAt(0).toString(16)}`);
    expect(
      (await post({ authorization: basic(encode(oauthClientId), encode(oauthClientSecret)) }, CC))
        .status,
    ).to.equal(200);
  });

  describe('with a Connect JWT', () => {
    const sign = (claims: object, secret: string) =>
      `JWT ${jwt.sign(claims, secret, { algorithm: 'HS256' })}`;
    const claims = (path = '/oauth2/token') => ({
      iss: 'fake-addon',
      sub: installed.payload.clientKey,
      exp: Math.floor(Date.now() / 1000) + 180,
      qsh: queryStringHash('POST', path),
    });

    it('knows the add-on by its key or its clientKey', async () => {
      const { sharedSecret, clientKey } = installed.payload;
      const byKey = await post({ authorization: sign(claims(), sharedSecret) }, CC);
      expect(byKey.status, byKey.text).to.equal(200);
      expect(
        (await post({ authorization: sign({ ...claims(), iss: clientKey }, sharedSecret) }, CC))
          .status,
      ).to.equal(200);
    });

    const forged: [string, () => string][] = [
      ['signed with the client secret', () => sign(claims(), installed.payload.oauthClientSecret)],
      ['signed with the webhook secret', () => sign(claims(), installed.payload.webhookSecret)],
      [
        'for another address',
        () => sign(claims('/site/oauth2/access_token'), installed.payload.sharedSecret),
      ],
      [
        'that has expired',
        () =>
          sign(
            { ...claims(), exp: Math.floor(Date.now() / 1000) - 60 },
            installed.payload.sharedSecret,
          ),
      ],
      [
        'that never expires',
        () => sign((({ exp: _, ...rest }) => rest)(claims()), installed.payload.sharedSecret),
      ],
      [
        'that lives for a day',
        () =>
          sign(
            { ...claims(), exp: Math.floor(Date.now() / 1000) + 86_400 },
            installed.payload.sharedSecret,
          ),
      ],
      [
        'of another issuer',
        () => sign({ ...claims(), iss: 'another' }, installed.payload.sharedSecret),
      ],
      ['with alg none', () => `JWT ${jwt.sign(claims(), '', { algorithm: 'none' })}`],
      [
        'with the fixed context-qsh',
        () => sign({ ...claims(), qsh: 'context-qsh' }, installed.payload.sharedSecret),
      ],
    ];
    for (const [title, authorization] of forged) {
      it(`refuses one ${title}`, async () => {
        const { status, json } = await post({ authorization: authorization() }, CC);
        expect([status, json.error]).to.deep.equal([401, 'invalid_client']);
      });
    }
  });

  type Row = [title: string, () => Promise<Answer>, status: number, error: string];
  const refusals: Row[] = [
    ['no credentials', () => post({}, CC), 401, 'invalid_client'],
    [
      'a wrong secret',
      () => post({ authorization: basic(installed.payload.oauthClientId, 'x') }, CC),
      401,
      'invalid_client',
    ],
    [
      'an unknown client',
      () => post({ authorization: basic('nobody', 'x') }, CC),
      401,
      'invalid_client',
    ],
    [
      'the shared secret in place of the client secret',
      () =>
        post(
          { authorization: basic(installed.payload.oauthClientId, installed.payload.sharedSecret) },
          CC,
        ),
      401,
      'invalid_client',
    ],
    [
      'two different credentials',
      () => post({ authorization: good() }, { ...CC, client_id: 'another', client_secret: 'x' }),
      400,
      'invalid_request',
    ],
    [
      'Basic that is not form-encoded',
      () => post({ authorization: basic('%zz', 'x') }, CC),
      401,
      'invalid_client',
    ],
    ['an unknown scheme', () => post({ authorization: 'Digest abc' }, CC), 401, 'invalid_client'],
    ['no grant type', () => post({ authorization: good() }, {}), 400, 'invalid_request'],
    [
      'an unknown grant type',
      () => post({ authorization: good() }, { grant_type: 'password' }),
      400,
      'unsupported_grant_type',
    ],
    [
      'a grant type of Object',
      () => post({ authorization: good() }, { grant_type: 'constructor' }),
      400,
      'unsupported_grant_type',
    ],
    [
      'a scope that was not granted',
      () => post({ authorization: good() }, { ...CC, scope: 'wiki' }),
      400,
      'invalid_scope',
    ],
    [
      'a scope that does not exist',
      () => post({ authorization: good() }, { ...CC, scope: 'repo' }),
      400,
      'invalid_scope',
    ],
    [
      'a parameter sent twice',
      () =>
        post(
          { authorization: good(), 'content-type': 'application/x-www-form-urlencoded' },
          'grant_type=client_credentials&scope=issue&scope=repository',
        ),
      400,
      'invalid_request',
    ],
    [
      'JSON',
      () =>
        post(
          { authorization: good(), 'content-type': 'application/json' },
          '{"grant_type":"client_credentials"}',
        ),
      400,
      'invalid_request',
    ],
    [
      'a huge body',
      () =>
        post(
          { authorization: good(), 'content-type': 'application/x-www-form-urlencoded' },
          `a=${'x'.repeat(100_000)}`,
        ),
      413,
      'invalid_request',
    ],
  ];
  for (const [title, call, status, error] of refusals) {
    it(`refuses ${title}`, async () => {
      const answer = await call();
      expect([answer.status, answer.json?.error]).to.deep.equal([status, error]);
      expect(answer.json.error_description)
        .to.be.a('string')
        .and.not.include(installed.payload.oauthClientSecret);
      expect(answer.headers.get('cache-control')).to.equal('no-store');
      if (status === 401) expect(answer.headers.get('www-authenticate')).to.match(/^Basic /);
    });
  }

  it('says the same of a client that does not exist as of a wrong secret', async () => {
    const wrong = await post({ authorization: basic(installed.payload.oauthClientId, 'x') }, CC);
    const nobody = await post({ authorization: basic('nobody', 'x') }, CC);
    expect(nobody.text).to.equal(wrong.text);
    const told = (answer: Answer) =>
      [...answer.headers].filter(([name]) => name !== 'date').sort(([a], [b]) => (a < b ? -1 : 1));
    expect(told(nobody)).to.deep.equal(told(wrong));
  });

  it('takes parameters as they are named: nested ones are others', async () => {
    for (const name of ['scope[]', 'scope[x]', 'scope.x', '__proto__', 'constructor']) {
      const answer = await post({ authorization: good() }, { ...CC, [name]: 'wiki' });
      expect([answer.status, answer.json.scope], name).to.deep.equal([
        200,
        'repository:write issue',
      ]);
    }
    const nested = await post({ authorization: good() }, { 'grant_type[]': 'client_credentials' });
    expect(nested.json.error).to.equal('invalid_request');
  });

  // Browsers send no cookies or secrets of their own to these; what runs on another origin reads no answer.
  it('and its neighbours are read by no page of another origin (CORS)', async () => {
    const headers = { origin: 'https://evil.example' };
    for (const path of ['/oauth2/token', '/oauth2/revoke', '/oauth2/introspect']) {
      const asked = await running.request('OPTIONS', path, {
        headers: { ...headers, 'access-control-request-method': 'POST' },
      });
      const sent = await running.request('POST', path, {
        headers: { ...headers, authorization: good() },
        body: new URLSearchParams(CC),
      });
      for (const answer of [asked, sent])
        expect(answer.headers.get('access-control-allow-origin'), path).to.equal(null);
    }
    for (const path of ['/oauth2/authorize', '/account/authorizations', '/operator']) {
      const { headers: told } = await running.request('GET', path, { headers });
      expect(told.get('access-control-allow-origin'), path).to.equal(null);
    }
  });

  it('is closed to a disabled installation, and open again when it is enabled', async () => {
    const path = `/installations/${installed.installation.id}`;
    const bearer = await installed.token();
    await running.operator('PATCH', path, { state: 'disabled' });
    const closed = await post({ authorization: good() }, CC);
    expect([closed.status, closed.json.error]).to.deep.equal([400, 'invalid_grant']);
    const me = { headers: { authorization: `Bearer ${bearer}` } };
    expect((await running.request('GET', '/addon/v1/installation', me)).status).to.equal(401);
    await running.operator('PATCH', path, { state: 'enabled' });
    expect((await running.request('GET', '/addon/v1/installation', me)).status).to.equal(200);
  });

  it('keeps tokens alive over a re-install, and makes the old client secret useless', async () => {
    const { payload } = installed;
    const bearer = await installed.token();
    await running.operator('POST', '/installations', {
      descriptorUrl: installed.addon.descriptorUrl,
      context: 'acme',
    });
    expect(
      (
        await running.request('GET', '/addon/v1/installation', {
          headers: { authorization: `Bearer ${bearer}` },
        })
      ).status,
    ).to.equal(200);
    const old = await tokenRequest(running, payload.oauthClientId, payload.oauthClientSecret, CC);
    expect(old.status).to.equal(401);
    installed.payload = installed.addon.to('/installed').at(-1)!.json;
  });
});
