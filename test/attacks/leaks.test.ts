// Where secrets must not be found: logs, answers that refuse, the database.
import { expect } from 'chai';
import { createLogger } from '../../src/core/log.ts';
import { isPostgresUrl } from '../../src/store/open-store.ts';
import { Browser } from '../helpers/browser.ts';
import {
  authorizePath,
  CALLBACK,
  pkce,
  registerConsumer,
  type TestConsumer,
  token,
} from '../helpers/consumer.ts';
import { answer } from '../helpers/fake-addon.ts';
import { bytesInside, changeInside } from '../helpers/inside-database.ts';
import { type InstalledAddon, installAddon } from '../helpers/installed-addon.ts';
import {
  type Answer,
  OPERATOR_TOKEN,
  type RunningHost,
  SECRET_KEY,
} from '../helpers/start-host.ts';
import {
  addonClaims,
  callApi,
  codeOf,
  forgeJwt,
  hmac,
  startAttackedHost,
} from './attacked-host.ts';

describe('after everything was used once', () => {
  let running: RunningHost;
  let installed: InstalledAddon;
  let consumer: TestConsumer;
  let oauth1: TestConsumer;
  const log: string[] = [];
  const refusals: string[] = [];
  /** Every secret, token and code that was made or tried, by what it is. */
  const secrets = new Map<string, string>();

  const keep = (title: string, value: string | undefined): string => {
    expect(value, title).to.be.a('string').with.length.above(15);
    secrets.set(title, value!);
    return value!;
  };
  const refused = (given: Answer): Answer => {
    expect(given.status, given.text).to.be.within(400, 599);
    refusals.push(`${given.status} ${JSON.stringify([...given.headers])} ${given.text}`);
    return given;
  };

  before(async () => {
    running = await startAttackedHost({
      log: createLogger('trace', { write: (line: string) => void log.push(line) }),
    });
    installed = await installAddon(running, { descriptor: { scopes: ['repository:write'] } });
    consumer = await registerConsumer(running);
    oauth1 = await registerConsumer(running, { name: 'Signs', oauth1: true });
    await useEverything();
    await refuseEverything();
  });
  after(async () => {
    await running.stop();
    await installed.addon.stop();
  });

  async function useEverything(): Promise<void> {
    const { payload } = installed;
    keep('operator token', OPERATOR_TOKEN);
    keep('secret key', SECRET_KEY);
    for (const name of ['sharedSecret', 'webhookSecret', 'oauthClientSecret'])
      keep(name, payload[name]);
    keep('consumer secret', consumer.clientSecret);
    keep('OAuth 1 consumer secret', oauth1.clientSecret);
    const rotated = await running.operator('PATCH', `/consumers/${oauth1.clientId}`, {
      rotateSecret: true,
    });
    keep('rotated secret', rotated.json.clientSecret);
    await registerConsumer(running, {
      scopes: null,
      clientId: 'imported',
      clientSecret: keep('imported secret', 'secret-from-before-the-import'),
    });

    const browser = new Browser(running);
    await browser.signIn('alice');
    keep('session', browser.cookies.get('mortise_session'));
    const { verifier, challenge } = pkce();
    const asked = { code_challenge: challenge, code_challenge_method: 'S256', prompt: 'consent' };
    const page = await browser.get(authorizePath(consumer, asked));
    keep('consent', page.hidden.consent);
    keep('form token', page.hidden.csrf);
    const done = await browser.post('/oauth2/authorize', { ...page.hidden, answer: 'allow' });
    const code = keep('code', new URL(done.location!).searchParams.get('code')!);
    keep('unused code', await codeOf(browser, authorizePath(consumer, { prompt: 'consent' })));
    const { json } = await token(running, consumer, {
      grant_type: 'authorization_code',
      code,
      redirect_uri: CALLBACK,
      code_verifier: keep('verifier', verifier),
    });
    keep('access token', json.access_token);
    const next = await token(running, consumer, {
      grant_type: 'refresh_token',
      refresh_token: keep('refresh token', json.refresh_token),
    });
    keep('second access token', next.json.access_token);
    keep('second refresh token', next.json.refresh_token);
    keep('own token', await installed.token());
    const jwt = forgeJwt(
      { alg: 'HS256', typ: 'JWT' },
      addonClaims(payload, 'POST', '/oauth2/token'),
      hmac(payload.sharedSecret),
    );
    const byJwt = await running.request('POST', '/oauth2/token', {
      headers: { authorization: `JWT ${keep('Connect JWT', jwt)}` },
      body: new URLSearchParams({ grant_type: 'urn:bitbucket:oauth2:jwt' }),
    });
    keep('token by JWT', byJwt.json.access_token);
    expect((await callApi(running, `Bearer ${next.json.access_token}`)).status).to.equal(200);
    await token(running, consumer, { token: next.json.access_token }, '/oauth2/introspect');
    await token(running, consumer, { token: byJwt.json.access_token }, '/oauth2/revoke');
    await running.operator('POST', '/events', {
      type: 'repo:push',
      context: 'acme',
      resource: 'acme/site',
      payload: { push: { changes: [] } },
    });
    await installed.addon.waitFor('/hook');
    // A re-install that fails: its exchange is shown, and something is logged.
    installed.addon.respond = answer(500, 'no');
    const again = await running.operator('POST', '/installations', {
      descriptorUrl: installed.addon.descriptorUrl,
      context: 'acme',
    });
    expect(again.status).to.equal(502);
    refused(again);
    keep('candidate secret', installed.addon.to('/installed').at(-1)!.json.oauthClientSecret);
    // A rotation that is refused by an add-on that says all it has been told, and one that is not.
    installed.addon.respond = (call, response) =>
      response.writeHead(500).end(JSON.stringify([call.json, payload]));
    const rotate = () =>
      running.operator('POST', `/installations/${installed.installation.id}/rotate-secret`);
    refused(await rotate());
    installed.addon.respond = answer(204);
    const accepted = await rotate();
    expect(accepted.status, accepted.text).to.equal(200);
    refusals.push(accepted.text);
    for (const { json: told } of installed.addon.to('/installed').slice(-2)) {
      keep(`rotated shared secret ${secrets.size}`, told.sharedSecret);
      keep(`rotated webhook secret ${secrets.size}`, told.webhookSecret);
      keep(`rotated client secret ${secrets.size}`, told.oauthClientSecret);
    }
  }

  /** Right and wrong secrets at every door, in every place, refused. */
  async function refuseEverything(): Promise<void> {
    const { clientId, clientSecret } = consumer;
    const made = Object.fromEntries(secrets);
    const wrong = {
      clientId,
      clientSecret: keep('wrong secret', 'a-secret-that-somebody-guessed'),
    };
    refused(await token(running, wrong, { grant_type: 'client_credentials' }));
    for (const value of secrets.values()) {
      for (const parameters of [
        { grant_type: 'authorization_code', code: value, redirect_uri: CALLBACK },
        { grant_type: 'refresh_token', refresh_token: value },
        {
          grant_type: 'refresh_token',
          refresh_token: made['second refresh token']!,
          scope: 'wiki',
        },
      ] as Record<string, string>[]) {
        if (value !== made['unused code'] && value !== made['second refresh token'])
          refused(await token(running, consumer, parameters));
      }
      refused(await callApi(running, `Bearer ${value}x`));
      refused(await callApi(running, `JWT ${value}`));
      refused(await callApi(running, `Basic ${Buffer.from(`x:${value}`).toString('base64')}`));
      refused(await callApi(running, `Bearer ${value}x`, '/operator/v1/installations'));
      refused(
        await running.request('POST', '/oauth2/token', {
          headers: { authorization: `JWT ${value}x` },
          body: new URLSearchParams({ grant_type: 'client_credentials' }),
        }),
      );
      refused(
        await running.request('POST', '/oauth2/token', {
          body: new URLSearchParams({
            client_id: clientId,
            client_secret: `${value}x`,
            grant_type: 'client_credentials',
          }),
        }),
      );
    }
    const both = Buffer.from(`${clientId}:${clientSecret}`).toString('base64');
    refused(
      await running.request('POST', '/oauth2/token', {
        headers: { authorization: `Basic ${both}` },
        body: new URLSearchParams({ client_id: clientId, client_secret: made['wrong secret']! }),
      }),
    );
    refused(
      await running.request('POST', '/oauth2/token', {
        headers: { authorization: `Basic ${both}`, 'content-type': 'application/json' },
        body: JSON.stringify({ client_secret: clientSecret }),
      }),
    );
    // Broken JSON that holds a secret.
    refused(await running.operator('POST', '/consumers', `{"clientSecret": "${clientSecret}",, }`));
    refused(
      await running.operator('POST', '/consumers', {
        clientId: 'imported',
        clientSecret: made['imported secret'],
        name: 'x',
        scopes: null,
        owner: 'acme',
      }),
    );
  }

  /** As it is, and as other encodings write it. */
  function formsOf(secret: string): (string | Buffer)[] {
    const [, body = ''] = /^(?:mt[a-z]_|whsec_)?(.*)$/.exec(secret)!;
    return [
      secret,
      Buffer.from(secret).toString('base64').replace(/=+$/, ''),
      Buffer.from(secret).toString('hex'),
      encodeURIComponent(secret),
      body,
      ...(body.length >= 43 && !body.includes('.') ? [Buffer.from(body, 'base64url')] : []),
    ];
  }

  function found(text: Buffer): string[] {
    return [...secrets].flatMap(([title, secret]) =>
      formsOf(secret).some((form) => text.includes(form)) ? [title] : [],
    );
  }

  it('the search finds what is there, or the rest of this proves nothing', () => {
    const [title, secret] = [...secrets][0]!;
    expect(found(Buffer.from(`x${secret}x`))).to.include(title);
    expect(secrets.size).to.be.above(20);
  });

  // Seen to fail: the refresh token added to the reason that oauth/refresh-token.ts gives.
  it('no answer that refuses repeats one', () => {
    expect(refusals.length).to.be.above(150);
    // What a handshake's 502 tells the operator is the exchange, not the payload.
    expect(found(Buffer.from(refusals.join('\n')))).to.deep.equal([]);
  });

  // Seen to fail: codes stored as they are (sha256 in core/secrets.ts giving back what begins with mtc_).
  it('the database holds none', async () => {
    const bytes = await bytesInside(running.database);
    expect(bytes.includes(consumer.clientId)).to.equal(true);
    expect(found(bytes)).to.deep.equal([]);
  });

  // Seen to fail: the parameters logged in host/token.ts, and the Authorization header in host/caller.ts. Last, since it breaks the database.
  it('no line of the log holds one, not even of a failure in the middle of a flow', async () => {
    await changeInside(
      running.database,
      'DROP TABLE oauth_refresh_tokens; DROP TABLE oauth_codes; ALTER TABLE oauth_access_tokens RENAME TO gone;',
    );
    // PostgreSQL says of itself what is the matter.
    const broken = isPostgresUrl(running.database) ? 503 : 500;
    const before = log.length;
    for (const parameters of [
      { grant_type: 'client_credentials' },
      { grant_type: 'refresh_token', refresh_token: secrets.get('second refresh token')! },
      {
        grant_type: 'authorization_code',
        code: secrets.get('unused code')!,
        redirect_uri: CALLBACK,
      },
    ] as Record<string, string>[]) {
      const failed = refused(await token(running, consumer, parameters));
      expect([failed.status, failed.json.error]).to.deep.equal([broken, 'server_error']);
      expect(failed.text).not.to.match(/sqlite|table|oauth_/i);
      expect(failed.headers.get('cache-control')).to.equal('no-store');
    }
    const api = await callApi(running, `Bearer ${secrets.get('second access token')}`);
    expect(api.status).to.equal(broken);
    expect(log.length, 'that something was logged').to.be.above(before);
    expect(found(Buffer.from(log.join('')))).to.deep.equal([]);
    expect(found(Buffer.from(refusals.join('\n')))).to.deep.equal([]);
  });
});
