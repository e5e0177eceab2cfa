// Where codes go: RFC 8252 for native apps, RFC 9700 for everybody.
import { expect } from 'chai';
import type { Browser } from '../helpers/browser.ts';
import {
  authorizePath,
  consent,
  pkce,
  registerConsumer,
  type TestConsumer,
} from '../helpers/consumer.ts';
import { installAddon } from '../helpers/installed-addon.ts';
import type { RunningHost } from '../helpers/start-host.ts';
import { codeOf, redeem, signedIn, startAttackedHost } from './attacked-host.ts';

describe('the address a code is sent to', () => {
  let running: RunningHost;
  let browser: Browser;
  let users = 0;
  before(async () => {
    running = await startAttackedHost();
  });
  // Somebody new each time: one person can only be asked so often.
  beforeEach(async () => {
    browser = await signedIn(running, `user${++users}`);
  });
  after(() => running.stop());

  const challenge = () => ({ code_challenge: pkce().challenge, code_challenge_method: 'S256' });

  describe('of a native app with a loopback listener', () => {
    let app: TestConsumer;
    before(async () => {
      app = await registerConsumer(running, {
        public: true,
        scopes: ['issue'],
        redirectUris: [
          'http://127.0.0.1/back?x=1',
          'http://[::1]:9000/back',
          'http://localhost:8080/back',
        ],
      });
    });
    // Seen to fail: isSameLoopback (oauth/redirect-uri.ts) answering true for any two loopback URLs, and its text
    // comparison replaced by one of host and path. localhost taken for loopback there changes nothing: the text
    // comparison drops the port of literal addresses only.
    const rows: [string, boolean][] = [
      ['http://127.0.0.1:49152/back?x=1', true],
      ['http://127.0.0.1/back?x=1', true],
      ['http://[::1]:1/back', true],
      ['http://[::1]/back', true],
      ['http://localhost:8080/back', true],
      // The rule is for literal addresses: a name may be somebody else's (RFC 8252 section 8.3).
      ['http://localhost:8081/back', false],
      ['http://127.0.0.1:49152/back', false],
      ['http://127.0.0.1:49152/back?x=2', false],
      ['http://127.0.0.1:49152/other?x=1', false],
      ['http://127.0.0.1:49152/back/../back?x=1', false],
      ['https://127.0.0.1:49152/back?x=1', false],
      ['http://127.0.0.2:49152/back?x=1', false],
      ['http://[::1]:49152/back?x=1', false],
      ['http://127.0.0.1:49152@evil.example/back?x=1', false],
      ['http://127.0.0.1:49152.evil.example/back?x=1', false],
      ['http://127.0.0.1.evil.example/back?x=1', false],
      ['http://127.0.0.1:99999/back?x=1', false],
      ['http://127.0.0.1:/back?x=1', false],
      ['http://127.1:49152/back?x=1', false],
      ['http://2130706433:49152/back?x=1', false],
      ['http://127.0.0.1:49152\\@evil.example/back?x=1', false],
      ['http://127.0.0.1:49152/back?x=1#f', false],
      ['\thttp://127.0.0.1:49152/back?x=1', false],
    ];
    for (const [uri, isGood] of rows) {
      it(`${JSON.stringify(uri)} ${isGood ? 'may get it' : 'gets nothing'}`, async () => {
        const page = await browser.get(authorizePath(app, { redirect_uri: uri, ...challenge() }));
        expect([page.status, page.location]).to.deep.equal([isGood ? 200 : 400, null]);
      });
    }

    // Seen to fail: the comparison of redirect_uri taken out of oauth/authorization-code.ts.
    it('is answered at the port it asked from, and redeemed with that', async () => {
      const uri = 'http://127.0.0.1:50123/back?x=1';
      const { verifier, challenge: code_challenge } = pkce();
      const path = authorizePath(app, {
        redirect_uri: uri,
        code_challenge,
        code_challenge_method: 'S256',
      });
      const page = await browser.get(path);
      const done = await browser.post('/oauth2/authorize', { ...page.hidden, answer: 'allow' });
      expect(done.location).to.match(/^http:\/\/127\.0\.0\.1:50123\/back\?x=1&code=mtc_/);
      const code = new URL(done.location!).searchParams.get('code')!;
      const other = { code_verifier: verifier, redirect_uri: 'http://127.0.0.1:50124/back?x=1' };
      expect((await redeem(running, app, code, other)).json.error).to.equal('invalid_grant');
      const { status } = await redeem(running, app, code, {
        code_verifier: verifier,
        redirect_uri: uri,
      });
      expect(status).to.equal(200);
    });
  });

  it('may be a private-use scheme, which the page names where Chromium needs it', async () => {
    const uri = 'com.example.app:/oauth2redirect';
    const app = await registerConsumer(running, {
      public: true,
      scopes: ['issue'],
      redirectUris: [uri],
    });
    const page = await browser.get(authorizePath(app, { redirect_uri: uri, ...challenge() }));
    expect(page.status).to.equal(200);
    expect(page.headers.get('content-security-policy')).to.match(
      /form-action 'self' com\.example\.app:(;|$)/,
    );
    const done = await browser.post('/oauth2/authorize', { ...page.hidden, answer: 'allow' });
    expect(done.status).to.equal(303);
    expect(done.location).to.match(/^com\.example\.app:\/oauth2redirect\?code=mtc_/);
    for (const near of [
      'com.example.app://oauth2redirect',
      'com.example.app:/',
      'com.example:/oauth2redirect',
    ]) {
      const other = await browser.get(authorizePath(app, { redirect_uri: near, ...challenge() }));
      expect([other.status, other.location], near).to.deep.equal([400, null]);
    }
  });

  // Seen to fail: faultOfRedirectUri answering undefined at once.
  describe('cannot be registered as', () => {
    for (const uri of [
      'javascript:alert(1)',
      'data:text/html,x',
      'file:///etc/passwd',
      'myapp:/callback',
      'http://client.example/callback',
      'http://127.0.0.1.evil.example/cb',
      'http://2130706434/cb',
      'http://[::2]/cb',
      'https://client.example/cb#fragment',
      'https://client.example/cb#',
      'https://user:password@client.example/cb',
      '/relative',
      '//client.example/cb',
      'https://',
      '',
      'blob:https://client.example/1',
    ]) {
      it(JSON.stringify(uri), async () => {
        const { status, json } = await running.operator('POST', '/consumers', {
          name: 'x',
          redirectUris: [uri],
          scopes: [],
          owner: 'acme',
        });
        expect([status, json.code]).to.deep.equal([422, 'consumer_invalid']);
      });
    }
  });

  it('has to be named where several are registered', async () => {
    const two = await registerConsumer(running, {
      redirectUris: ['https://a.example/cb', 'https://b.example/cb'],
    });
    const page = await browser.get(
      `/oauth2/authorize?${new URLSearchParams({ response_type: 'code', client_id: two.clientId })}`,
    );
    expect([page.status, page.location]).to.deep.equal([400, null]);
  });

  it('does not exist for a consumer without any, nor for an installation', async () => {
    const none = await registerConsumer(running, { redirectUris: [] });
    const installed = await installAddon(running);
    for (const client_id of [none.clientId, installed.payload.oauthClientId as string]) {
      for (const more of [{}, { redirect_uri: 'https://evil.example/cb' }] as object[]) {
        const page = await browser.get(
          `/oauth2/authorize?${new URLSearchParams({ response_type: 'code', client_id, ...more })}`,
        );
        expect([page.status, page.location]).to.deep.equal([400, null]);
      }
    }
    await installed.addon.stop();
  });

  it('that was taken out of the registration gets no code any more', async () => {
    const consumer = await registerConsumer(running);
    const path = authorizePath(consumer);
    expect((await browser.get(path)).status).to.equal(200);
    await running.operator('PATCH', `/consumers/${consumer.clientId}`, {
      redirectUris: ['https://client.example/new'],
    });
    expect((await browser.get(path)).status).to.equal(400);
  });

  // Seen to fail: ownPath in http/account/sign-in.ts giving back what it gets.
  describe('after signing in is a page of the host, not', () => {
    for (const target of [
      'https://evil.example/',
      '//evil.example/',
      '/\\evil.example/',
      '\\/evil.example',
      'javascript:alert(1)',
      '/%0d%0aset-cookie:x=1\r\nx: y',
    ]) {
      it(JSON.stringify(target), async () => {
        const page = await browser.get('/signin');
        const done = await browser.post('/signin', {
          csrf: page.hidden.csrf!,
          user: 'alice',
          return: target,
        });
        expect(done.status).to.equal(303);
        expect(new URL(done.location!, running.url).origin).to.equal(running.url);
        expect(done.headers.get('set-cookie')).not.to.include('x=1');
      });
    }
  });

  // Seen to fail: the check for a challenge of public clients taken out of readRequest (host/authorize.ts), and
  // "A code_verifier was sent, and no code_challenge before" taken out of oauth/pkce.ts.
  describe('when the challenge is stripped on the way', () => {
    const stripped: [string, Record<string, string>][] = [
      ['both parameters', {}],
      ['the challenge', { code_challenge_method: 'S256' }],
      ['the value of the challenge', { code_challenge: '', code_challenge_method: 'S256' }],
    ];
    for (const [title, more] of stripped) {
      it(`(${title}), a public client gets an error and a confidential one a code that its verifier does not fit`, async () => {
        const app = await registerConsumer(running, { public: true, scopes: ['issue'] });
        const page = await browser.get(authorizePath(app, more));
        expect(new URL(page.location!).searchParams.get('error')).to.equal('invalid_request');
        const consumer = await registerConsumer(running);
        const code = await codeOf(browser, authorizePath(consumer, more));
        const answer = await redeem(running, consumer, code, { code_verifier: pkce().verifier });
        expect([answer.status, answer.json.error]).to.deep.equal([400, 'invalid_grant']);
      });
    }

    it('an empty verifier fits no challenge', async () => {
      const consumer = await registerConsumer(running);
      const code = await codeOf(browser, authorizePath(consumer, challenge()));
      for (const code_verifier of ['', 'short', ' '.repeat(43)]) {
        const { json } = await redeem(running, consumer, code, { code_verifier });
        expect(json.error).to.equal('invalid_grant');
      }
    });
  });

  it('keeps the answer out of the page: nothing is said to a client that was not asked', async () => {
    const consumer = await registerConsumer(running, {
      redirectUris: ['https://c.example/cb?a=1'],
    });
    const answer = await consent(
      browser,
      authorizePath(consumer, { redirect_uri: 'https://c.example/cb?a=1', state: 'x&code=forged' }),
    );
    expect(answer.getAll('code')).to.have.length(1);
    expect(answer.get('a')).to.equal('1');
    expect(answer.get('state')).to.equal('x&code=forged');
  });
});
