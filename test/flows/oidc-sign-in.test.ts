// The checks of the answer are openid-client's; that it belongs to the browser, once, is ours.
import { join } from 'node:path';
import { expect } from 'chai';
import { createHost } from '../../src/index.ts';
import { Browser, type Page } from '../helpers/browser.ts';
import { newDatabase } from '../helpers/new-database.ts';
import {
  CLIENT_ID,
  CLIENT_SECRET,
  type OidcProvider,
  oidcProvider,
} from '../helpers/oidc-provider.ts';
import { MORTISE, startProcess } from '../helpers/process.ts';
import { OPERATOR_TOKEN, type RunningHost, SECRET_KEY, startHost } from '../helpers/start-host.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';

const HOME = '/account/authorizations';
const COOKIE = 'mortise_session';

const mainOf = (page: Page) => /<main.*<\/main>/s.exec(page.text)?.[0];

describe('signing in through the product’s OpenID provider', () => {
  let provider: OidcProvider;
  let running: RunningHost;
  let browser: Browser;
  let ahead = 0;
  const clock = { now: () => Date.now() + ahead };

  beforeEach(async () => {
    ahead = 0;
    provider = await oidcProvider();
    running = await startHost({ signIn: options(), clock });
    browser = new Browser(running);
  });
  afterEach(async () => {
    await running.stop();
    await provider.stop();
  });

  function options() {
    return {
      issuer: provider.issuer,
      clientId: CLIENT_ID,
      clientSecret: CLIENT_SECRET,
      operatorClaim: 'groups=platform-operators',
    };
  }

  /** To the provider and back, up to the callback's address. */
  async function comeBack(of = browser, path = '/signin'): Promise<string> {
    const away = await of.get(path);
    expect(away.status, mainOf(away)).to.equal(303);
    expect(away.location).to.match(new RegExp(`^${provider.issuer}/authorize\\?`));
    const answer = await fetch(away.location!, { redirect: 'manual' });
    const back = new URL(answer.headers.get('location')!);
    expect(back.origin + back.pathname).to.equal(`${running.url}/signin/callback`);
    return back.pathname + back.search;
  }

  async function signIn(of = browser, path = '/signin'): Promise<Page> {
    const page = await of.get(await comeBack(of, path));
    expect(page.status, mainOf(page)).to.equal(303);
    return page;
  }

  async function expectNobody(of = browser): Promise<void> {
    const page = await of.get(HOME);
    expect(page.status).to.equal(303);
    expect(page.location).to.match(/^\/signin\?return=/);
  }

  async function expectFailure(page: Page, status: number, sentence: RegExp): Promise<void> {
    expect(page.status, mainOf(page)).to.equal(status);
    expect(page.headers.get('content-type')).to.match(/^text\/html/);
    expect(mainOf(page)).to.match(sentence).and.include('You were not signed in');
    expect(page.text).to.match(/<a href="\/signin\?return=[^"]+">Try again<\/a>/);
    await expectNobody();
  }

  it('leads back to the page wanted, as the provider’s user', async () => {
    const asked = await browser.get(`${HOME}?after=x`);
    expect(asked.location).to.equal(`/signin?return=${encodeURIComponent(`${HOME}?after=x`)}`);
    const done = await signIn(browser, asked.location!);
    expect(done.location).to.equal(`${HOME}?after=x`);
    const page = await browser.get(HOME);
    expect(page.status).to.equal(200);
    expect(page.text).to.include('Alice Liddell').and.include('Sign out');
    const question = Object.fromEntries(provider.asked[0]!);
    expect(question).to.include({
      response_type: 'code',
      code_challenge_method: 'S256',
      scope: 'openid profile',
    });
    for (const name of ['state', 'nonce', 'code_challenge'])
      expect(question[name], name).to.have.length.greaterThan(40);
  });

  it('works with RS256, and with the secret in the body where the provider takes no other', async () => {
    await running.stop();
    await provider.stop();
    provider = await oidcProvider('RS256');
    provider.authentication = 'client_secret_post';
    running = await startHost({ signIn: options() });
    browser = new Browser(running);
    await signIn();
    expect((await browser.get(HOME)).text).to.include('Alice Liddell');
  });

  it('shows preferred_username where there is no name, and else the id', async () => {
    provider.claims = { sub: 'u-2', preferred_username: 'bobby' };
    await signIn();
    expect((await browser.get(HOME)).text).to.include('bobby');
    provider.claims = { sub: 'u-3' };
    await signIn();
    expect((await browser.get(HOME)).text)
      .to.include('u-3')
      .and.not.include('bobby');
  });

  describe('an operator', () => {
    const PAGE = '/operator/installations';

    it('is who has the claim, in a list or alone', async () => {
      for (const groups of ['platform-operators', ['staff', 'platform-operators']]) {
        provider.claims = { sub: 'u-9', name: 'Olga', groups };
        const olga = new Browser(running);
        const done = await signIn(olga, (await olga.get(PAGE)).location!);
        expect(done.location).to.equal(PAGE);
        expect((await olga.get(PAGE)).status).to.equal(200);
      }
    });

    it('is nobody else', async () => {
      for (const groups of [
        undefined,
        'staff',
        'platform-operators-not',
        ['platform'],
        { 'platform-operators': true },
        [['platform-operators']],
      ]) {
        provider.claims = { sub: 'u-1', name: 'Alice', groups };
        const alice = new Browser(running);
        await signIn(alice);
        expect((await alice.get(PAGE)).status, JSON.stringify(groups)).to.equal(403);
      }
    });

    it('is known by the userinfo endpoint too, and by a scope of the claim’s name', async () => {
      provider.userinfo = { groups: ['platform-operators'], name: 'Not this one' };
      provider.metadata = { scopes_supported: ['openid', 'groups'] };
      await signIn();
      expect((await browser.get(PAGE)).text).to.include('Alice Liddell');
      expect(provider.asked[0]!.get('scope')).to.equal('openid profile groups');
    });

    it('of another user at the userinfo endpoint is refused', async () => {
      provider.userinfo = { sub: 'u-9', groups: ['platform-operators'] };
      await expectFailure(await browser.get(await comeBack()), 502, /cannot be accepted/);
    });

    it('stops being one with the next sign-in', async () => {
      provider.claims = { sub: 'u-9', name: 'Olga', groups: 'platform-operators' };
      await signIn();
      provider.claims = { sub: 'u-9', name: 'Olga' };
      await signIn();
      expect((await browser.get(PAGE)).status).to.equal(403);
    });
  });

  describe('fails with a page, and nobody is signed in,', () => {
    const OVER = /This sign-in is over, or was begun in another browser/;

    it('with another state, which uses nothing up', async () => {
      const back = await comeBack();
      const wrong = back.replace(/state=[^&]+/, `state=${'x'.repeat(43)}`);
      await expectFailure(await browser.get(wrong), 400, OVER);
      await expectFailure(await browser.get(back.replace(/state=[^&]+&/, '')), 400, OVER);
      await expectFailure(await browser.get(`${back}&state=second`), 400, OVER);
      expect(provider.tokensGiven).to.equal(0);
      expect((await browser.get(back)).status).to.equal(303);
    });

    it('when the callback comes a second time', async () => {
      const back = await comeBack();
      const cookie = browser.cookies.get(COOKIE)!;
      expect((await browser.get(back)).status).to.equal(303);
      const replayed = await running.request('GET', back, {
        headers: { cookie: `${COOKIE}=${cookie}` },
      });
      expect(replayed.status).to.equal(400);
      expect(replayed.text).to.match(OVER);
      expect(provider.tokensGiven).to.equal(1);
      // Nor in the browser that is signed in since.
      expect((await browser.get(back)).status).to.equal(400);
    });

    it('when the callback comes in another browser', async () => {
      const back = await comeBack();
      const victim = new Browser(running);
      expect((await victim.get(back)).text).to.match(OVER);
      await comeBack(victim);
      expect((await victim.get(back)).text).to.match(OVER);
      await expectNobody(victim);
      expect(provider.tokensGiven).to.equal(0);
    });

    it('when it took longer than ten minutes', async () => {
      const back = await comeBack();
      ahead = 10 * 60_000 + 1000;
      await expectFailure(await browser.get(back), 400, OVER);
    });

    it('with a wrong nonce, issuer, audience or signature', async () => {
      const wrong: Record<string, unknown>[] = [
        { nonce: 'another' },
        { nonce: undefined },
        { iss: 'https://other.example' },
        { aud: 'somebody-else' },
      ];
      for (const claims of wrong) {
        provider.claims = { sub: 'u-1', name: 'Alice', ...claims };
        await expectFailure(await browser.get(await comeBack()), 502, /cannot be accepted/);
      }
      provider.claims = { sub: 'u-1', name: 'Alice' };
      provider.isForging = true;
      await expectFailure(await browser.get(await comeBack()), 502, /cannot be accepted/);
    });

    it('with an answer that names another issuer (RFC 9207)', async () => {
      const back = (await comeBack()).replace(/iss=[^&]+/, 'iss=https%3A%2F%2Fother.example');
      await expectFailure(await browser.get(back), 502, /cannot be accepted/);
      expect(provider.tokensGiven).to.equal(0);
    });

    it('with a code of another sign-in: PKCE', async () => {
      const stolen = new URLSearchParams((await comeBack(new Browser(running))).split('?')[1]);
      const back = (await comeBack()).replace(/code=[^&]+/, `code=${stolen.get('code')}`);
      await expectFailure(await browser.get(back), 502, /cannot be accepted/);
      expect(provider.tokensGiven).to.equal(0);
    });

    it('when the provider refuses, and says so', async () => {
      provider.error = 'access_denied';
      const page = await browser.get(await comeBack(browser, '/signin?return=/account/consumers'));
      await expectFailure(page, 403, /refused the sign-in: access_denied/);
      expect(page.text).to.include('href="/signin?return=%2Faccount%2Fconsumers"');
      provider.error = '<script>alert(1)</script>';
      const odd = await browser.get(await comeBack());
      await expectFailure(odd, 403, /refused the sign-in\./);
      expect(odd.text).not.to.include('alert(1)');
    });

    it('while the provider is down; once it is back, so is the sign-in', async () => {
      await provider.stop();
      await expectFailure(await browser.get('/signin'), 503, /does not answer as it should/);
      await provider.start();
      const back = await comeBack();
      await provider.stop();
      await expectFailure(await browser.get(back), 503, /does not answer as it should/);
      await provider.start();
      await signIn();
    });

    it('when the metadata is another issuer’s', async () => {
      provider.metadata = { issuer: 'https://other.example' };
      await expectFailure(await browser.get('/signin'), 503, /does not answer as it should/);
    });
  });

  it('gives the browser a new cookie, and ends what the old one was', async () => {
    const planted = new Browser(running);
    await planted.get('/signin');
    const before = planted.cookies.get(COOKIE)!;
    await signIn(planted);
    const first = planted.cookies.get(COOKIE)!;
    expect(first).not.to.equal(before);
    await signIn(planted);
    for (const old of [before, first]) {
      const page = await running.request('GET', HOME, { headers: { cookie: `${COOKIE}=${old}` } });
      expect(page.status).to.equal(303);
    }
    expect((await planted.get(HOME)).status).to.equal(200);
  });

  it('leads to no other place', async () => {
    for (const path of [
      'https://evil.example/',
      '//evil.example/',
      '/\\evil.example/',
      '/\t/evil.example/',
      '/\n/evil.example',
      'javascript:alert(1)',
      '',
    ]) {
      const done = await signIn(browser, `/signin?return=${encodeURIComponent(path)}`);
      expect(done.location, JSON.stringify(path)).to.equal(HOME);
    }
    const twice = await signIn(browser, '/signin?return=/account/consumers&return=//evil.example');
    expect(new URL(twice.location!, running.url).origin).to.equal(running.url);
  });

  it('ends with a sign-out, from our own form only', async () => {
    await signIn();
    const { hidden } = await browser.get(HOME);
    expect((await browser.post('/signout', {})).status).to.equal(403);
    expect((await browser.get(HOME)).status).to.equal(200);
    const cookie = browser.cookies.get(COOKIE)!;
    const done = await browser.post('/signout', { csrf: hidden.csrf! });
    expect([done.status, done.location]).to.deep.equal([303, '/signout']);
    expect((await browser.get('/signout')).text).to.include('You are signed out');
    await expectNobody();
    const old = await running.request('GET', HOME, { headers: { cookie: `${COOKIE}=${cookie}` } });
    expect(old.status).to.equal(303);
  });

  it('is asked for by a link after a form that came too late', async () => {
    const page = await browser.post('/account/consumers', { name: 'x' });
    expect(page.status).to.equal(401);
    expect(page.text).to.match(/<a href="\/signin\?return=[^"]+">Sign in again<\/a>/);
  });

  it('has no page that takes any name, with dev too', async () => {
    const { hidden } = await browser.get('/signout');
    const page = await browser.post('/signin', { ...hidden, user: 'mallory' });
    expect(page.status).to.be.oneOf([404, 405]);
    await expectNobody();
  });

  it('does not believe sessions of the development page or of another provider', async () => {
    const database = await newDatabase(temporaryFolder());
    const other = await oidcProvider();
    const hosts: RunningHost[] = [];
    const own = running;
    const start = async (signIn?: ReturnType<typeof options>) => {
      await hosts.at(-1)?.stop();
      hosts.push(await startHost({ database, signIn }));
      return hosts.at(-1)!;
    };
    const statusOf = async (host: RunningHost, of: Browser) =>
      (
        await host.request('GET', HOME, {
          headers: { cookie: `${COOKIE}=${of.cookies.get(COOKIE)}` },
        })
      ).status;
    try {
      const dev = await start();
      const alice = new Browser(dev);
      await alice.signIn('alice');
      expect(await statusOf(dev, alice)).to.equal(200);
      expect(await statusOf(await start(options()), alice)).to.equal(303);
      expect(await statusOf(await start(), alice)).to.equal(200);
      running = await start(options());
      const bob = new Browser(running);
      await signIn(bob);
      expect(await statusOf(running, bob)).to.equal(200);
      running = await start({ ...options(), issuer: other.issuer });
      expect(await statusOf(running, bob)).to.equal(303);
    } finally {
      running = own;
      await hosts.at(-1)?.stop();
      await other.stop();
    }
  });
});

describe('the option signIn', () => {
  const good = { issuer: 'https://id.example', clientId: 'mortise', clientSecret: 'secret' };
  const create = (signIn: object, more: object = {}) =>
    createHost({
      platform: 'platforms/bitbucket.json',
      database: ':memory:',
      baseUrl: 'https://code.example',
      secretKey: SECRET_KEY,
      log: 'silent',
      signIn: { ...good, ...signIn },
      ...more,
    });

  it('is taken', async () => {
    for (const host of [
      create({}),
      create({ operatorClaim: 'https://x.example/roles=a=b' }),
      create({ issuer: 'http://localhost:1' }, { dev: true }),
    ])
      await host.close();
  });

  for (const [what, signIn, code, sentence] of [
    ['without an issuer', { issuer: '' }, 'option_missing', /MORTISE_OIDC_ISSUER/],
    ['without a client id', { clientId: '' }, 'option_missing', /MORTISE_OIDC_CLIENT_ID/],
    ['without a secret', { clientSecret: '' }, 'option_missing', /MORTISE_OIDC_CLIENT_SECRET/],
    ['on plain http', { issuer: 'http://id.example' }, 'option_invalid', /is not https/],
    ['that is no URL', { issuer: 'id.example' }, 'option_invalid', /is not a URL/],
    [
      'that is the metadata',
      { issuer: 'https://id.example/.well-known/openid-configuration' },
      'option_invalid',
      /not the issuer/,
    ],
    ['with a claim alone', { operatorClaim: 'groups' }, 'option_invalid', /groups=platform/],
    ['with a value alone', { operatorClaim: '=x' }, 'option_invalid', /groups=platform/],
  ] as const) {
    it(`${what} is refused with a sentence`, () => {
      try {
        create(signIn);
      } catch (error) {
        const known = error as { code: string; message: string; hint: string };
        expect(known.code).to.equal(code);
        expect(`${known.message} ${known.hint}`).to.match(sentence);
        return;
      }
      expect.fail('it was taken');
    });
  }
});

describe('mortise serve in production', function () {
  this.timeout(60_000);
  const serve = (more: Record<string, string> = {}) =>
    startProcess(
      [
        ...[MORTISE, 'serve', '--platform', 'platforms/bitbucket.json'],
        ...['--port', String(PORT), '--listen', '127.0.0.1'],
      ],
      {
        MORTISE_DATABASE_URL: `sqlite:${join(temporaryFolder(), 'mortise.db')}`,
        MORTISE_BASE_URL: 'https://code.example',
        MORTISE_OPERATOR_TOKEN: OPERATOR_TOKEN,
        MORTISE_SECRET_KEY: SECRET_KEY,
        ...more,
      },
    );
  /** Fixed: with a base URL of its own the host does not say which port it got. */
  const PORT = 20_000 + (process.pid % 20_000);
  const OIDC = {
    MORTISE_OIDC_ISSUER: 'https://127.0.0.1:1',
    MORTISE_OIDC_CLIENT_ID: CLIENT_ID,
    MORTISE_OIDC_CLIENT_SECRET: CLIENT_SECRET,
    MORTISE_OIDC_OPERATOR_CLAIM: 'groups=platform-operators',
  };

  for (const [what, more, sentence] of [
    ['without a provider', {}, /Sign-in is not configured.*MORTISE_OIDC_ISSUER/s],
    ['with a provider that is down', OIDC, /The sign-in provider does not answer/],
  ] as const) {
    it(`starts ${what}, and its pages say so`, async () => {
      const host = serve(more);
      try {
        await host.waitFor(/^mortise listening on https:\/\/code\.example$/m, 40_000);
        const browser = new Browser({ url: `http://127.0.0.1:${PORT}` });
        const page = await browser.get(HOME);
        expect(page.status).to.equal(303);
        const signIn = await browser.get(page.location!);
        expect(signIn.status).to.equal(503);
        expect(signIn.text).to.match(sentence);
        expect((await browser.post('/signin', { user: 'mallory' })).status).not.to.equal(303);
      } finally {
        await host.kill();
      }
    });
  }

  it('refuses a provider that is configured by half, with the variable to set', async () => {
    const half = serve({ MORTISE_OIDC_ISSUER: OIDC.MORTISE_OIDC_ISSUER });
    expect(await half.ended()).not.to.equal(0);
    expect(half.output()).to.include('MORTISE_OIDC_CLIENT_ID');
  });
});
