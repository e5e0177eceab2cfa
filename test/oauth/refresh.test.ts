import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { Browser } from '../helpers/browser.ts';
import {
  authorizePath,
  CALLBACK,
  consent,
  pkce,
  registerConsumer,
  type TestConsumer,
  type Tokens,
  token,
  tokensOfAlice,
} from '../helpers/consumer.ts';
import { databaseEnvironment, newDatabase } from '../helpers/new-database.ts';
import { MORTISE, type RunningProcess, startProcess } from '../helpers/process.ts';
import { type Answer, type RunningHost, startHost } from '../helpers/start-host.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';

const SECOND = 1000;
const DAY = 24 * 3_600_000;

const refresh = (
  running: RunningHost,
  by: TestConsumer,
  refreshToken: string,
  more: Record<string, string> = {},
): Promise<Answer> =>
  token(running, by, { grant_type: 'refresh_token', refresh_token: refreshToken, ...more });

async function isActive(running: RunningHost, by: TestConsumer, bearer: string): Promise<boolean> {
  if (by.clientSecret === undefined) {
    // A public consumer may not introspect: what a call finds is what counts.
    const { status } = await running.request('GET', '/guarded', {
      headers: { authorization: `Bearer ${bearer}` },
    });
    return status === 200;
  }
  const { json } = await token(running, by, { token: bearer }, '/oauth2/introspect');
  return json.active;
}

// Seen to fail, each taken out of judgeRefreshToken (store/authorization-rules.ts) or rotate in turn: the end of the family
// on reuse, the end of its access tokens, hasGrace, isPredecessor, the client, expires_at, the grant's until, the family's
// own scopes kept on narrowing, narrowing before the token is used; and with a grace of 0 s and of 12 s.
describe('a refresh token', () => {
  let running: RunningHost;
  let now: number;
  let consumer: TestConsumer;
  let phone: TestConsumer;
  let tokens: Tokens;

  before(async () => {
    now = Date.now();
    running = await startHost({
      clock: { now: () => now },
      paused: true,
      product(host, app) {
        app.use(host.guard('issue'));
        app.use((ctx) => {
          ctx.body = 'in';
        });
      },
    });
  });
  beforeEach(async () => {
    consumer = await registerConsumer(running);
    phone = await registerConsumer(running, { name: 'Phone', public: true, scopes: ['issue'] });
    ({ tokens } = await tokensOfAlice(running, consumer));
  });
  after(() => running.stop());

  const use = (refreshToken: string, more?: Record<string, string>, by = consumer) =>
    refresh(running, by, refreshToken, more);
  const works = (bearer: string, by = consumer) => isActive(running, by, bearer);

  async function rotate(refreshToken: string, by = consumer): Promise<Tokens> {
    const { status, json, text } = await use(refreshToken, {}, by);
    expect(status, text).to.equal(200);
    return json;
  }

  async function expectRefused(answer: Answer | Promise<Answer>, error = 'invalid_grant') {
    const { status, json } = await answer;
    expect([status, json.error]).to.deep.equal([400, error]);
  }

  async function phoneTokens(): Promise<Tokens> {
    const browser = new Browser(running);
    await browser.signIn('alice');
    const { verifier, challenge } = pkce();
    const path = authorizePath(phone, { code_challenge: challenge, code_challenge_method: 'S256' });
    const code = (await consent(browser, path)).get('code')!;
    const { status, json, text } = await token(running, phone, {
      grant_type: 'authorization_code',
      code,
      redirect_uri: CALLBACK,
      code_verifier: verifier,
    });
    expect(status, text).to.equal(200);
    return json;
  }

  it('is good once, and gives its successor; access tokens made before live on', async () => {
    const second = await rotate(tokens.refresh_token);
    expect(second.refresh_token)
      .to.match(/^mtr_[A-Za-z0-9_-]{43}$/)
      .and.not.equal(tokens.refresh_token);
    expect(second).to.include({ token_type: 'bearer', expires_in: 3600, scope: tokens.scope });
    expect(await works(tokens.access_token)).to.equal(true);
    expect(await works(second.access_token)).to.equal(true);
    await rotate(second.refresh_token);
  });

  it('that comes again later ends its family, with every access token of it', async () => {
    const second = await rotate(tokens.refresh_token);
    const third = await rotate(second.refresh_token);
    // Not the immediate predecessor, so not two requests at once.
    await expectRefused(use(tokens.refresh_token));
    for (const { access_token } of [tokens, second, third])
      expect(await works(access_token)).to.equal(false);
    await expectRefused(use(third.refresh_token));
  });

  it('leaves the families of other consents alone when it does', async () => {
    const { tokens: elsewhere } = await tokensOfAlice(running, consumer, { prompt: 'consent' });
    now += 11 * SECOND;
    await rotate(tokens.refresh_token);
    now += 11 * SECOND;
    await expectRefused(use(tokens.refresh_token));
    expect(await works(elsewhere.access_token)).to.equal(true);
    await rotate(elsewhere.refresh_token);
  });

  describe('that comes again at once', () => {
    for (const [after, lives] of [
      [9 * SECOND, true],
      [11 * SECOND, false],
    ] as const) {
      it(`after ${after / SECOND} s: its family ${lives ? 'lives' : 'ends'}`, async () => {
        const second = await rotate(tokens.refresh_token);
        now += after;
        await expectRefused(use(tokens.refresh_token));
        expect(await works(second.access_token)).to.equal(lives);
        expect((await use(second.refresh_token)).status).to.equal(lives ? 200 : 400);
      });
    }

    it('gives nothing, however often it comes in those seconds', async () => {
      const second = await rotate(tokens.refresh_token);
      for (let i = 0; i < 3; i++) {
        const answer = await use(tokens.refresh_token);
        await expectRefused(answer);
        expect(answer.json).not.to.have.any.keys('access_token', 'refresh_token');
      }
      await rotate(second.refresh_token);
    });

    it('counts from its use, not from the last time it came', async () => {
      const second = await rotate(tokens.refresh_token);
      now += 6 * SECOND;
      await expectRefused(use(tokens.refresh_token));
      now += 6 * SECOND;
      await expectRefused(use(tokens.refresh_token));
      expect(await works(second.access_token)).to.equal(false);
    });

    it('from a public client ends the family: nobody proved who sent it', async () => {
      const first = await phoneTokens();
      const second = await rotate(first.refresh_token, phone);
      await expectRefused(use(first.refresh_token, {}, phone));
      expect(await works(second.access_token, phone)).to.equal(false);
      await expectRefused(use(second.refresh_token, {}, phone));
    });
  });

  it('has one winner of eight at once, and the winner keeps what it won', async () => {
    const answers = await Promise.all(Array.from({ length: 8 }, () => use(tokens.refresh_token)));
    const winners = answers.filter(({ status }) => status === 200);
    expect(winners).to.have.length(1);
    const losers = answers.filter(({ status }) => status !== 200);
    expect(losers.map(({ json }) => json.error)).to.deep.equal(Array(7).fill('invalid_grant'));
    const [{ json }] = winners as [Answer];
    expect(await works(json.access_token)).to.equal(true);
    await rotate(json.refresh_token);
  });

  it('of another client is refused, and not used up', async () => {
    const other = await registerConsumer(running, { name: 'Other' });
    await expectRefused(use(tokens.refresh_token, {}, other));
    await expectRefused(use(tokens.refresh_token, {}, phone));
    await rotate(tokens.refresh_token);
  });

  it('that was used is not ended by another client that has it', async () => {
    const other = await registerConsumer(running, { name: 'Other' });
    const second = await rotate(tokens.refresh_token);
    now += 11 * SECOND;
    await expectRefused(use(tokens.refresh_token, {}, other));
    expect(await works(second.access_token)).to.equal(true);
  });

  it('that is unknown, missing or empty is refused', async () => {
    await expectRefused(use(`mtr_${'a'.repeat(43)}`));
    await expectRefused(use(''), 'invalid_request');
    await expectRefused(
      token(running, consumer, { grant_type: 'refresh_token' }),
      'invalid_request',
    );
  });

  it('needs the client to prove itself', async () => {
    const { clientId } = consumer;
    for (const by of [
      { clientId, clientSecret: 'wrong' },
      { clientId, clientSecret: undefined },
    ]) {
      const { status, json } = await use(tokens.refresh_token, {}, by);
      expect([status, json.error]).to.deep.equal([401, 'invalid_client']);
    }
    await rotate(tokens.refresh_token);
  });

  describe('and scopes:', () => {
    it('narrows one access token, implied scopes included, and keeps its own', async () => {
      const narrow = await use(tokens.refresh_token, { scope: 'repository' });
      expect(narrow.json.scope).to.equal('repository');
      const { json } = await token(
        running,
        consumer,
        { token: narrow.json.access_token },
        '/oauth2/introspect',
      );
      expect(json.scope).to.equal('repository');
      const whole = await rotate(narrow.json.refresh_token);
      expect(whole.scope).to.equal('repository:write issue email');
    });

    it('may come back to what it left out', async () => {
      const narrow = await use(tokens.refresh_token, { scope: 'email' });
      const back = await use(narrow.json.refresh_token, { scope: 'repository:write' });
      expect(back.json.scope).to.equal('repository:write');
    });

    for (const scope of ['wiki', 'repository:admin', 'issue wiki', 'issue:write', 'nonsense']) {
      it(`never widens (${scope}), and is not used up by the attempt`, async () => {
        await expectRefused(use(tokens.refresh_token, { scope }), 'invalid_scope');
        await rotate(tokens.refresh_token);
      });
    }

    it('does not reach what the user granted later, on another occasion', async () => {
      const { tokens: small } = await tokensOfAlice(running, await registerConsumer(running), {
        scope: 'email',
      });
      expect(small.scope).to.equal('email');
      const own = await registerConsumer(running, { name: 'Own' });
      const first = (await tokensOfAlice(running, own, { scope: 'email' })).tokens;
      await tokensOfAlice(running, own, { scope: 'issue' });
      await expectRefused(use(first.refresh_token, { scope: 'issue' }, own), 'invalid_scope');
      expect((await rotate(first.refresh_token, own)).scope).to.equal('email');
    });

    it('gives no more than the consumer is still registered for', async () => {
      await running.operator('PATCH', `/consumers/${consumer.clientId}`, { scopes: ['email'] });
      const { json } = await use(tokens.refresh_token);
      const about = await token(
        running,
        consumer,
        { token: json.access_token },
        '/oauth2/introspect',
      );
      expect(about.json.scope).to.equal('email');
    });
  });

  describe('left alone for', () => {
    it('89 days works, and its successor has 90 more', async () => {
      now += 89 * DAY;
      const second = await rotate(tokens.refresh_token);
      now += 89 * DAY;
      await rotate(second.refresh_token);
    });
    it('90 days is dead', async () => {
      now += 90 * DAY;
      await expectRefused(use(tokens.refresh_token));
    });
  });

  describe('is dead, with its access tokens, once', () => {
    const endings: [string, () => Promise<unknown>][] = [
      [
        'the user takes the grant back',
        async () => {
          const browser = new Browser(running);
          await browser.signIn('alice');
          const page = await browser.get('/account/authorizations');
          const done = await browser.post('/account/authorizations', {
            csrf: page.hidden.csrf!,
            revoke: 'all',
          });
          expect(done.status).to.equal(303);
        },
      ],
      [
        'an operator ends the grant',
        async () => {
          const { json } = await running.operator('GET', '/grants?user=alice');
          const grant = json.items.find(
            (one: { clientId: string }) => one.clientId === consumer.clientId,
          );
          const done = await running.operator('DELETE', `/grants/${grant.id}`);
          expect(done.status, done.text).to.equal(204);
        },
      ],
      [
        'the client revokes it',
        () => token(running, consumer, { token: tokens.refresh_token }, '/oauth2/revoke'),
      ],
    ];
    for (const [title, end] of endings) {
      it(title, async () => {
        await end();
        await expectRefused(use(tokens.refresh_token));
        expect(await works(tokens.access_token)).to.equal(false);
      });
    }

    it('its consumer is deleted', async () => {
      await running.operator('DELETE', `/consumers/${consumer.clientId}`);
      const { status, json } = await use(tokens.refresh_token);
      expect([status, json.error]).to.deep.equal([401, 'invalid_client']);
    });

    it('its user is deactivated', async () => {
      const browser = new Browser(running);
      await browser.signIn('carol');
      const code = (await consent(browser, authorizePath(consumer))).get('code')!;
      const { json } = await token(running, consumer, {
        grant_type: 'authorization_code',
        code,
        redirect_uri: CALLBACK,
      });
      const done = await running.operator('POST', '/users/carol/deactivate', {});
      expect(done.status, done.text).to.equal(200);
      await expectRefused(use(json.refresh_token));
      expect(await works(json.access_token)).to.equal(false);
    });
  });

  it('is not given for client credentials', async () => {
    const { status, json } = await token(running, consumer, { grant_type: 'client_credentials' });
    expect(status).to.equal(200);
    expect(json).not.to.have.property('refresh_token');
  });
});

// Seen red: with the end ignored by rotate, or by the access token (scripts/mutants).
describe('where a platform ends refreshing', () => {
  const LIFETIME = 2 * 3_600;
  let running: RunningHost;
  let now: number;
  let start: number;
  let consumer: TestConsumer;
  let tokens: Tokens;

  before(async () => {
    const platform = JSON.parse(readFileSync('platforms/bitbucket.json', 'utf8'));
    platform.oauth.refreshFamilySeconds = LIFETIME;
    running = await startHost({ platform, clock: { now: () => now }, paused: true });
  });
  beforeEach(async () => {
    now = Date.now();
    start = now;
    consumer = await registerConsumer(running);
    ({ tokens } = await tokensOfAlice(running, consumer));
  });
  after(() => running.stop());

  it('a token is refreshed a second before, and no more at the end', async () => {
    now = start + (LIFETIME - 1) * SECOND;
    const second = await refresh(running, consumer, tokens.refresh_token);
    expect(second.status, second.text).to.equal(200);
    now = start + LIFETIME * SECOND;
    const third = await refresh(running, consumer, second.json.refresh_token);
    expect([third.status, third.json.error]).to.deep.equal([400, 'invalid_grant']);
  });

  it('however often it was refreshed: the end does not move', async () => {
    let last = tokens.refresh_token;
    for (const minutes of [30, 60, 90, 119]) {
      now = start + minutes * 60 * SECOND;
      const answer = await refresh(running, consumer, last);
      expect(answer.status, answer.text).to.equal(200);
      last = answer.json.refresh_token;
    }
    now = start + (LIFETIME + 1) * SECOND;
    expect((await refresh(running, consumer, last)).json.error).to.equal('invalid_grant');
  });

  it('no access token outlives it, and each says how long it has', async () => {
    now = start + (LIFETIME - 100) * SECOND;
    const { json } = await refresh(running, consumer, tokens.refresh_token);
    expect(json.expires_in).to.equal(100);
    now = start + (LIFETIME - 1) * SECOND;
    expect(await isActive(running, consumer, json.access_token)).to.equal(true);
    now = start + LIFETIME * SECOND;
    expect(await isActive(running, consumer, json.access_token)).to.equal(false);
  });

  it('another answer of the user begins anew', async () => {
    now = start + (LIFETIME + 1) * SECOND;
    const again = await tokensOfAlice(running, consumer, { prompt: 'consent' });
    expect(again.tokens).to.deep.include({ expires_in: 3600 });
    const { status } = await refresh(running, consumer, again.tokens.refresh_token);
    expect(status).to.equal(200);
  });
});

describe('two processes on one database', function () {
  this.timeout(60_000);
  const TOKEN = 'operator-token-of-two';
  const ROUNDS = 5;
  let processes: RunningProcess[] = [];
  let first: RunningHost;
  let second: RunningHost;
  let consumer: TestConsumer;

  async function serve(database: string): Promise<RunningHost> {
    const process = startProcess(
      [MORTISE, 'serve', '--dev', '--platform', 'platforms/bitbucket.json', '--port', '0'],
      {
        MORTISE_DATA: temporaryFolder(),
        MORTISE_OPERATOR_TOKEN: TOKEN,
        ...databaseEnvironment(database),
      },
    );
    processes.push(process);
    const [, url] = await process.waitFor(/mortise listening on (\S+)/, 50_000);
    const request = async (method: string, path: string, init: RequestInit = {}) => {
      const response = await fetch(url + path, { method, redirect: 'manual', ...init });
      const text = await response.text();
      const isJson = response.headers.get('content-type')?.includes('json');
      return {
        status: response.status,
        headers: response.headers,
        text,
        json: isJson ? JSON.parse(text) : undefined,
      };
    };
    const operator: RunningHost['operator'] = (method, path, body) =>
      request(method, `/operator/v1${path}`, {
        headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
    return { url, request, operator } as RunningHost;
  }

  before(async () => {
    const database = await newDatabase(temporaryFolder());
    [first, second] = await Promise.all([serve(database), serve(database)]);
    consumer = await registerConsumer(first);
  });
  after(async () => {
    await Promise.all(processes.map((process) => process.kill()));
    processes = [];
  });

  /** Eight at once, half of them to each process. */
  const race = (send: (to: RunningHost) => Promise<Answer>) =>
    Promise.all(Array.from({ length: 8 }, (_, i) => send(i % 2 ? first : second)));
  const isOk = ({ status }: Answer) => status === 200;

  it('redeem a code once, whichever is asked', async () => {
    const browser = new Browser(first);
    await browser.signIn('alice');
    for (let round = 0; round < ROUNDS; round++) {
      const code = (await consent(browser, authorizePath(consumer, { prompt: 'consent' }))).get(
        'code',
      )!;
      const answers = await race((to) =>
        token(to, consumer, { grant_type: 'authorization_code', code, redirect_uri: CALLBACK }),
      );
      expect(answers.filter(isOk), `round ${round}`).to.have.length(1);
      for (const { json } of answers.filter((one) => !isOk(one)))
        expect(json.error).to.equal('invalid_grant');
      // A code that came again is a theft: what the winner got is dead, at both.
      const { access_token } = answers.find(isOk)!.json;
      expect(await isActive(first, consumer, access_token)).to.equal(false);
      expect(await isActive(second, consumer, access_token)).to.equal(false);
    }
  });

  it('rotate a refresh token once, whichever is asked, and the winner’s tokens live', async () => {
    let { tokens } = await tokensOfAlice(second, consumer, { prompt: 'consent' });
    for (let round = 0; round < ROUNDS; round++) {
      const answers = await race((to) => refresh(to, consumer, tokens.refresh_token));
      expect(answers.filter(isOk), `round ${round}`).to.have.length(1);
      tokens = answers.find(isOk)!.json;
      expect(await isActive(first, consumer, tokens.access_token)).to.equal(true);
      expect(await isActive(second, consumer, tokens.access_token)).to.equal(true);
    }
  });

  it('refuse at once what the other revoked', async () => {
    const { tokens } = await tokensOfAlice(first, consumer, { prompt: 'consent' });
    expect(await isActive(second, consumer, tokens.access_token)).to.equal(true);
    await token(first, consumer, { token: tokens.refresh_token }, '/oauth2/revoke');
    expect(await isActive(second, consumer, tokens.access_token)).to.equal(false);
    expect((await refresh(second, consumer, tokens.refresh_token)).status).to.equal(400);
  });

  it('answer one consent once', async () => {
    const browser = new Browser(first);
    await browser.signIn('alice');
    const page = await browser.get(authorizePath(consumer, { prompt: 'consent' }));
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, i) => {
        const { url } = i % 2 ? first : second;
        return browser.post(
          `${url}/oauth2/authorize`,
          { ...page.hidden, answer: 'allow' },
          { origin: url },
        );
      }),
    );
    expect(answers.filter(({ status }) => status === 303)).to.have.length(1);
  });
});
