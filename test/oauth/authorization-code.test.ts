import { expect } from 'chai';
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
import { type RunningHost, startHost } from '../helpers/start-host.ts';

describe('the authorization code flow', () => {
  let running: RunningHost;
  let consumer: TestConsumer;
  let other: TestConsumer;
  let phone: TestConsumer;
  let browser: Browser;

  before(async () => {
    running = await startHost();
    consumer = await registerConsumer(running);
    other = await registerConsumer(running, { name: 'Other' });
    phone = await registerConsumer(running, { name: 'Phone', public: true, scopes: ['issue'] });
  });
  beforeEach(async () => {
    browser = new Browser(running);
    await browser.signIn('alice');
  });
  after(() => running.stop());

  const fresh = (more = {}) => authorizePath(consumer, { prompt: 'consent', ...more });
  const redeem = (code: string, more: Record<string, string> = {}, by = consumer) =>
    token(running, by, { grant_type: 'authorization_code', code, redirect_uri: CALLBACK, ...more });
  const works = async (bearer: string) =>
    (
      await running.request('POST', '/oauth2/introspect', {
        headers: {
          authorization: `Basic ${Buffer.from(`${consumer.clientId}:${consumer.clientSecret}`).toString('base64')}`,
        },
        body: new URLSearchParams({ token: bearer }),
      })
    ).json.active;

  it('gives tokens for what was allowed, with state and issuer back as they were', async () => {
    const answer = await consent(browser, fresh({ scope: 'repository issue' }));
    expect(answer.get('state')).to.equal('s t&=');
    expect(answer.get('iss')).to.equal(running.url);
    const { status, json } = await redeem(answer.get('code')!);
    expect(status).to.equal(200);
    expect(json.access_token).to.match(/^mta_[A-Za-z0-9_-]{43}$/);
    expect(json.refresh_token).to.match(/^mtr_[A-Za-z0-9_-]{43}$/);
    expect(json).to.include({
      token_type: 'bearer',
      expires_in: 3600,
      scope: 'repository issue',
      scopes: 'repository issue',
    });
  });

  it('sends a stranger to sign in, and back to the question', async () => {
    const stranger = new Browser(running);
    const page = await stranger.get(fresh());
    expect(page.status).to.equal(303);
    expect(page.location).to.match(/^\/signin\?return=%2Foauth2%2Fauthorize/);
    const form = await stranger.get(page.location!);
    const back = await stranger.post('/signin', {
      ...form.hidden,
      user: 'bob',
      return: form.hidden.return!.replaceAll('&amp;', '&'),
    });
    expect(back.location).to.match(/^\/oauth2\/authorize\?/);
  });

  it('redirects a denial as such', async () => {
    const answer = await consent(browser, fresh(), { answer: 'deny' });
    expect(answer.get('error')).to.equal('access_denied');
    expect(answer.get('code')).to.equal(null);
  });

  it('leaves out optional scopes that were unticked, and whatever was posted beyond the question', async () => {
    const answer = await consent(
      browser,
      fresh({ scope: 'repository', optional_scope: 'issue email' }),
      {
        answer: 'allow',
        'scope.email': 'on',
        'scope.repository:write': 'on',
      },
    );
    expect((await redeem(answer.get('code')!)).json.scope).to.equal('repository email');
  });

  it('asks nothing when everything was granted before, and asks again for more', async () => {
    const { browser: known } = await tokensOfAlice(running, other, { scope: 'repository' });
    const again = await known.get(authorizePath(other, { scope: 'repository' }));
    expect(again.status).to.equal(303);
    expect(new URL(again.location!).searchParams.get('code')).to.be.a('string');
    const more = await known.get(authorizePath(other, { scope: 'issue' }));
    expect(more.status).to.equal(200);
  });

  it('is taken once: a code that comes again ends what it gave', async () => {
    const code = (await consent(browser, fresh())).get('code')!;
    const first = await redeem(code);
    expect(await works(first.json.access_token)).to.equal(true);
    const second = await redeem(code);
    expect([second.status, second.json.error]).to.deep.equal([400, 'invalid_grant']);
    expect(await works(first.json.access_token)).to.equal(false);
    expect(
      (
        await token(running, consumer, {
          grant_type: 'refresh_token',
          refresh_token: first.json.refresh_token,
        })
      ).json.error,
    ).to.equal('invalid_grant');
  });

  it('has one winner of eight', async () => {
    const code = (await consent(browser, fresh())).get('code')!;
    const answers = await Promise.all(Array.from({ length: 8 }, () => redeem(code)));
    expect(answers.filter(({ status }) => status === 200)).to.have.length(1);
  });

  it('is not burned by another client', async () => {
    const code = (await consent(browser, fresh())).get('code')!;
    expect((await redeem(code, {}, other)).json.error).to.equal('invalid_grant');
    expect((await redeem(code)).status).to.equal(200);
  });

  describe('with PKCE', () => {
    const withChallenge = async (by: TestConsumer, challenge: Record<string, string>) =>
      (await consent(browser, authorizePath(by, { prompt: 'consent', ...challenge }))).get('code')!;

    it('needs the verifier', async () => {
      const { verifier, challenge } = pkce();
      const asked = { code_challenge: challenge, code_challenge_method: 'S256' };
      expect((await redeem(await withChallenge(consumer, asked))).json.error).to.equal(
        'invalid_grant',
      );
      expect(
        (await redeem(await withChallenge(consumer, asked), { code_verifier: pkce().verifier }))
          .json.error,
      ).to.equal('invalid_grant');
      expect(
        (await redeem(await withChallenge(consumer, asked), { code_verifier: verifier })).status,
      ).to.equal(200);
    });

    it('refuses a verifier where no challenge was sent: a downgrade', async () => {
      const code = (await consent(browser, fresh())).get('code')!;
      expect((await redeem(code, { code_verifier: pkce().verifier })).json.error).to.equal(
        'invalid_grant',
      );
    });

    it('is compulsory for public consumers, who then need no secret', async () => {
      const bare = await browser.get(authorizePath(phone));
      expect(new URL(bare.location!).searchParams.get('error')).to.equal('invalid_request');
      const { verifier, challenge } = pkce();
      const code = await withChallenge(phone, {
        code_challenge: challenge,
        code_challenge_method: 'S256',
      });
      const { status, json } = await redeem(code, { code_verifier: verifier }, phone);
      expect(status).to.equal(200);
      expect(json.scope).to.equal('issue');
    });

    it('is S256 only', async () => {
      const { challenge } = pkce();
      for (const more of [
        { code_challenge: challenge, code_challenge_method: 'plain' },
        { code_challenge: challenge },
        { code_challenge: 'short', code_challenge_method: 'S256' },
      ]) {
        const page = await browser.get(fresh(more));
        expect(new URL(page.location!).searchParams.get('error')).to.equal('invalid_request');
      }
    });
  });

  describe('shows a page and redirects nowhere for', () => {
    const rows: [string, Record<string, string>][] = [
      ['another path', { redirect_uri: 'https://client.example/other' }],
      ['a path below', { redirect_uri: `${CALLBACK}/more` }],
      ['a query', { redirect_uri: `${CALLBACK}?x=1` }],
      ['a trailing slash', { redirect_uri: `${CALLBACK}/` }],
      ['path traversal', { redirect_uri: 'https://client.example/callback/../evil' }],
      ['another case', { redirect_uri: 'https://client.example/Callback' }],
      [
        'a host that begins alike',
        { redirect_uri: 'https://client.example.evil.example/callback' },
      ],
      ['a user part', { redirect_uri: 'https://client.example@evil.example/callback' }],
      ['javascript', { redirect_uri: 'javascript:alert(1)' }],
      ['a fragment', { redirect_uri: `${CALLBACK}#x` }],
      ['an unknown client', { client_id: 'nobody' }],
    ];
    for (const [title, more] of rows) {
      it(title, async () => {
        const page = await browser.get(fresh(more));
        expect([page.status, page.location]).to.deep.equal([400, null]);
        expect(page.text).not.to.include('evil.example');
      });
    }

    it('a parameter sent twice', async () => {
      const page = await browser.get(`${fresh()}&state=2`);
      expect([page.status, page.location]).to.deep.equal([400, null]);
    });
  });

  describe('redirects the fault once the address is proven:', () => {
    const rows: [string, Record<string, string>, string][] = [
      ['the implicit grant', { response_type: 'token' }, 'unsupported_response_type'],
      ['a hybrid of it', { response_type: 'code token' }, 'unsupported_response_type'],
      ['an id token', { response_type: 'id_token' }, 'unsupported_response_type'],
      ['a scope that does not exist', { scope: 'nothing' }, 'invalid_scope'],
      ['a scope that was not registered', { scope: 'wiki' }, 'invalid_scope'],
    ];
    for (const [title, more, error] of rows) {
      it(title, async () => {
        const { location } = await browser.get(fresh(more));
        expect(location).not.to.include('#');
        const { searchParams } = new URL(location!);
        expect(searchParams.get('error')).to.equal(error);
        expect(searchParams.get('iss')).to.equal(running.url);
        expect(searchParams.get('state')).to.equal('s t&=');
      });
    }
  });

  it('may leave redirect_uri out at both steps where one is registered, and then at both', async () => {
    const path = `/oauth2/authorize?${new URLSearchParams({ response_type: 'code', client_id: consumer.clientId, prompt: 'consent' })}`;
    const code = (await consent(browser, path)).get('code')!;
    expect((await redeem(code)).json.error).to.equal('invalid_grant');
    const { status } = await token(running, consumer, { grant_type: 'authorization_code', code });
    expect(status).to.equal(200);
  });

  describe('the consent form', () => {
    it('is answered once', async () => {
      const page = await browser.get(fresh());
      const answer = { ...page.hidden, answer: 'allow' };
      expect((await browser.post('/oauth2/authorize', answer)).status).to.equal(303);
      expect((await browser.post('/oauth2/authorize', answer)).status).to.equal(400);
    });

    it('is not another user’s, nor another browser’s', async () => {
      const page = await browser.get(fresh());
      const bob = new Browser(running);
      await bob.signIn('bob');
      const bobs = (await bob.get(fresh())).hidden;
      expect(
        (
          await bob.post('/oauth2/authorize', {
            consent: page.hidden.consent!,
            csrf: bobs.csrf!,
            answer: 'allow',
          })
        ).status,
      ).to.equal(400);
      const elsewhere = new Browser(running);
      await elsewhere.signIn('alice');
      const there = (await elsewhere.get(fresh())).hidden;
      expect(
        (
          await elsewhere.post('/oauth2/authorize', {
            consent: page.hidden.consent!,
            csrf: there.csrf!,
            answer: 'allow',
          })
        ).status,
      ).to.equal(400);
    });

    const forged: [
      string,
      (hidden: Record<string, string>) => [Record<string, string>, Record<string, string>],
    ][] = [
      ['without its token', ({ csrf: _, ...rest }) => [rest, {}]],
      ['with another token', (hidden) => [{ ...hidden, csrf: 'x' }, {}]],
      ['from another origin', (hidden) => [hidden, { origin: 'https://evil.example' }]],
      ['from a sandboxed frame', (hidden) => [hidden, { origin: 'null' }]],
    ];
    for (const [title, forge] of forged) {
      it(`is refused ${title}`, async () => {
        const page = await browser.get(fresh());
        const [form, headers] = forge(page.hidden);
        expect(
          (await browser.post('/oauth2/authorize', { ...form, answer: 'allow' }, headers)).status,
        ).to.equal(403);
      });
    }

    it('cannot be framed, kept, or left with a referrer, and runs no script', async () => {
      const { headers, text } = await browser.get(fresh());
      expect(headers.get('content-security-policy')).to.match(
        /default-src 'none'.*form-action 'self' https:\/\/client\.example.*frame-ancestors 'none'/,
      );
      expect(headers.get('x-frame-options')).to.equal('DENY');
      expect(headers.get('cache-control')).to.equal('no-store');
      expect(headers.get('referrer-policy')).to.equal('same-origin');
      expect(text).not.to.match(/<script|javascript:| on\w+=/);
    });

    it('shows a hostile name as text', async () => {
      const hostile = await registerConsumer(running, { name: '<img src=x onerror=alert(1)>' });
      const { text } = await browser.get(authorizePath(hostile));
      expect(text).to.include('&lt;img src=x onerror=alert(1)>');
      expect(text).not.to.include('<img');
    });
  });

  it('signs a person in under a new cookie, so that a planted one is worth nothing', async () => {
    const planted = new Browser(running);
    await planted.get('/signin');
    const before = planted.cookies.get('mortise_session');
    await planted.signIn('alice');
    expect(planted.cookies.get('mortise_session')).not.to.equal(before);
  });
});
