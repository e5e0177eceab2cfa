// What can be done to the question, between it and the answer, and between the answer and its use.
import { expect } from 'chai';
import type { AuthorizationStore } from '../../src/store/oauth-store.ts';
import { Browser } from '../helpers/browser.ts';
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

const SECOND = 1000;

describe('between the question and the answer', () => {
  let running: RunningHost;
  let now: number;
  let consumer: TestConsumer;
  let browser: Browser;

  before(async () => {
    now = Date.now();
    running = await startAttackedHost({ clock: { now: () => now }, paused: true });
  });
  beforeEach(async () => {
    consumer = await registerConsumer(running);
    browser = await signedIn(running);
  });
  after(() => running.stop());

  const answerTo = (hidden: Record<string, string>, by = browser) =>
    by.post('/oauth2/authorize', { ...hidden, answer: 'allow' });

  // Seen to fail: `expires_at > ?` taken out of `take` in store/sqlite/consents.ts.
  it('ten minutes may pass, not more', async () => {
    const first = await browser.get(authorizePath(consumer));
    now += 599 * SECOND;
    expect((await answerTo(first.hidden)).status).to.equal(303);
    const second = await browser.get(authorizePath(consumer, { prompt: 'consent' }));
    now += 600 * SECOND;
    expect((await answerTo(second.hidden)).status).to.equal(400);
  });

  // Seen to fail: the token of the form taken out of requireOwnForm (http/browser/session.ts).
  it('the browser may change hands: what alice was asked, bob does not answer', async () => {
    const page = await browser.get(authorizePath(consumer));
    await browser.signIn('bob');
    const done = await answerTo(page.hidden);
    expect([done.status, done.location]).to.deep.equal([403, null]);
    const grants = await running.operator('GET', '/grants?user=bob');
    expect(grants.json.items).to.deep.equal([]);
  });

  it('the session may end: then nobody answers', async () => {
    const page = await browser.get(authorizePath(consumer));
    await browser.post('/signout', { csrf: page.hidden.csrf! });
    const done = await answerTo(page.hidden);
    expect(done.location ?? '').not.to.include('code=');
    const grants = await running.operator('GET', '/grants?user=alice');
    expect(grants.text).not.to.include(consumer.clientId);
  });

  it('the consumer may be deleted: then no grant is made', async () => {
    const page = await browser.get(authorizePath(consumer));
    await running.operator('DELETE', `/consumers/${consumer.clientId}`);
    const done = await answerTo(page.hidden);
    expect([done.status, done.location]).to.deep.equal([400, null]);
  });

  it('the consumer may be narrowed: then its token covers no more than is left', async () => {
    const page = await browser.get(authorizePath(consumer));
    await running.operator('PATCH', `/consumers/${consumer.clientId}`, { scopes: ['email'] });
    const code = new URL((await answerTo(page.hidden)).location!).searchParams.get('code')!;
    const { json } = await redeem(running, consumer, code);
    expect((await callApi(running, `Bearer ${json.access_token}`)).status).to.equal(403);
  });

  it('the redirect URI may be taken out of the registration: then nothing is sent there', async () => {
    const page = await browser.get(authorizePath(consumer));
    await running.operator('PATCH', `/consumers/${consumer.clientId}`, {
      redirectUris: ['https://client.example/new'],
    });
    const done = await answerTo(page.hidden);
    expect([done.status, done.location]).to.deep.equal([400, null]);
  });

  it('the user may be deactivated: then no grant is made, even if the product still knows them', async () => {
    const product = await startAttackedHost({ currentUser: () => ({ id: 'eve' }) });
    try {
      const asking = await registerConsumer(product);
      const eve = new Browser(product);
      const page = await eve.get(authorizePath(asking));
      expect(page.status).to.equal(200);
      await product.operator('POST', '/users/eve/deactivate', {});
      const done = await eve.post('/oauth2/authorize', { ...page.hidden, answer: 'allow' });
      expect(done.location ?? '').not.to.include('code=');
      expect((await product.operator('GET', '/grants?user=eve')).json.items).to.deep.equal([]);
    } finally {
      await product.stop();
    }
  });

  // Seen to fail: all but "deny" taken for a yes in http/oauth2/authorize.ts.
  it('nothing but "allow" allows', async () => {
    for (const answer of ['', 'yes', 'ALLOW', 'deny']) {
      const page = await browser.get(authorizePath(consumer));
      const done = await browser.post('/oauth2/authorize', { ...page.hidden, answer });
      const { searchParams } = new URL(done.location!);
      expect([searchParams.get('error'), searchParams.get('code')]).to.deep.equal([
        'access_denied',
        null,
      ]);
    }
    const page = await browser.get(authorizePath(consumer));
    const silent = await browser.post('/oauth2/authorize', page.hidden);
    expect(new URL(silent.location!).searchParams.get('error')).to.equal('access_denied');
  });

  // Seen to fail: hasAll in host/authorize.ts answering true without a grant before; for the next, `!client.isPublic`
  // taken out beside it.
  it('a first question cannot be skipped by what the client sends', async () => {
    for (const more of [
      { prompt: 'none' },
      { approval_prompt: 'auto' },
      { answer: 'allow' },
      { consent: 'x', answer: 'allow', csrf: 'x' },
    ] as Record<string, string>[]) {
      const page = await browser.get(authorizePath(consumer, more));
      expect([page.status, page.location]).to.deep.equal([200, null]);
    }
  });

  it('a public client is asked every time: anybody can say that they are it', async () => {
    const phone = await registerConsumer(running, { public: true, scopes: ['issue'] });
    const challenge = { code_challenge: 'A'.repeat(43), code_challenge_method: 'S256' };
    await codeOf(browser, authorizePath(phone, challenge));
    expect((await browser.get(authorizePath(phone, challenge))).status).to.equal(200);
  });

  // Seen red with the comparison taken out of grantByUser (store/sqlite/grants.ts).
  describe('the grant may be taken back in the moment between reading and writing it', () => {
    let grantAndIssueCode: AuthorizationStore['grantAndIssueCode'];

    beforeEach(async () => {
      ({ grantAndIssueCode } = running.host.parts.store.authorization);
      await codeOf(browser, authorizePath(consumer, { scope: 'issue email' }));
      // The one who takes back comes exactly there, through the same door as ever.
      running.host.parts.store.authorization.grantAndIssueCode = async (grant, code) => {
        running.host.parts.store.authorization.grantAndIssueCode = grantAndIssueCode;
        const { json } = await running.operator('GET', '/grants?user=alice&limit=200');
        for (const { id, clientId } of json.items)
          if (clientId === consumer.clientId) await running.operator('DELETE', `/grants/${id}`);
        return grantAndIssueCode(grant, code);
      };
    });
    afterEach(() => {
      running.host.parts.store.authorization.grantAndIssueCode = grantAndIssueCode;
    });

    it('then the user is asked, as if nothing had been granted', async () => {
      const page = await browser.get(authorizePath(consumer, { scope: 'issue' }));
      expect(page.status, page.text).to.equal(200);
      expect(page.text).to.include('Allow');
    });

    it('then an answer given in that moment grants what it allowed, and nothing from before', async () => {
      const path = authorizePath(consumer, { scope: 'email', prompt: 'consent' });
      const code = await codeOf(browser, path);
      expect((await redeem(running, consumer, code)).status).to.equal(200);
      const { json } = await running.operator('GET', '/grants?user=alice&limit=200');
      const [grant] = json.items.filter(
        (one: { clientId: string }) => one.clientId === consumer.clientId,
      );
      expect(grant.scopes).to.deep.equal(['email']);
    });
  });

  it('what one user granted does not answer for another', async () => {
    await codeOf(browser, authorizePath(consumer));
    const bob = await signedIn(running, 'bob');
    expect((await bob.get(authorizePath(consumer))).status).to.equal(200);
  });

  // Letters that look alike cannot be told from each other in a name: in an address they can.
  it('a name that imitates another stands beside the address that the answer goes to, in ASCII', async () => {
    const imitation = await registerConsumer(running, {
      name: '\u0410cme',
      redirectUris: ['https://\u0430cme.example/callback'],
    });
    const page = await browser.get(
      authorizePath(imitation, { redirect_uri: 'https://\u0430cme.example/callback' }),
    );
    expect(page.status).to.equal(200);
    expect(page.text).to.include('<code>https://xn--cme-5cd.example</code>');
  });

  it('a name that turns the text around stays where it is', async () => {
    const spoof = await registerConsumer(running, { name: 'Safe‮moc.live‬ app' });
    const { text } = await browser.get(authorizePath(spoof));
    expect(text).to.match(/<h1><bdi>[^<]*<\/bdi> asks for access/);
    // Wherever else it stands, it is text of an element or attribute of its own, and the address is shown beside it.
    expect(text).to.include('<code>https://client.example</code>');
  });

  it('the cookie is for this host, for no script, and not for posts from elsewhere', async () => {
    const page = await browser.get('/signin');
    const done = await browser.post('/signin', { csrf: page.hidden.csrf!, user: 'alice' });
    const cookie = done.headers.get('set-cookie')!;
    expect(cookie)
      .to.match(/; *httponly/i)
      .and.to.match(/; *samesite=lax/i);
    expect(cookie).not.to.match(/domain=/i);
  });
});

describe('between the answer and its use', () => {
  let running: RunningHost;
  let now: number;
  let consumer: TestConsumer;
  let browser: Browser;
  let code: string;

  before(async () => {
    now = Date.now();
    running = await startAttackedHost({ clock: { now: () => now }, paused: true });
  });
  beforeEach(async () => {
    consumer = await registerConsumer(running);
    browser = await signedIn(running, 'frank');
    code = await codeOf(browser, authorizePath(consumer));
  });
  after(() => running.stop());

  // Seen to fail: the expires_at and the grant.until checks of judgeCode (store/authorization-rules.ts) taken out.
  it('a code lives a minute', async () => {
    now += 59 * SECOND;
    expect((await redeem(running, consumer, code)).status).to.equal(200);
    const second = await codeOf(browser, authorizePath(consumer, { prompt: 'consent' }));
    now += 60 * SECOND;
    expect((await redeem(running, consumer, second)).json.error).to.equal('invalid_grant');
  });

  it('a code is dead once the user takes the grant back', async () => {
    const page = await browser.get('/account/authorizations');
    await browser.post('/account/authorizations', { csrf: page.hidden.csrf!, revoke: 'all' });
    expect((await redeem(running, consumer, code)).json.error).to.equal('invalid_grant');
  });

  // What was granted stands until it is taken back: a grant is not a session, and its code is bound to its client.
  it('a code is good though its user has signed out, and their browser is worth nothing then', async () => {
    const { hidden } = await browser.get('/account/authorizations');
    await browser.post('/signout', { csrf: hidden.csrf! });
    const asked = await browser.get(authorizePath(consumer));
    expect(asked.location).to.match(/^\/signin/);
    expect((await redeem(running, consumer, code)).status).to.equal(200);
  });

  it('a code is dead once its consumer is deleted', async () => {
    await running.operator('DELETE', `/consumers/${consumer.clientId}`);
    expect((await redeem(running, consumer, code)).json.error).to.equal('invalid_client');
  });

  it('a code gives no more than is left of the grant', async () => {
    const page = await browser.get('/account/authorizations');
    const { json } = await running.operator('GET', '/grants?user=frank');
    const grant = json.items.find(
      (one: { clientId: string }) => one.clientId === consumer.clientId,
    );
    await browser.post('/account/authorizations', {
      csrf: page.hidden.csrf!,
      grant: grant.id,
      revoke: 'scope.repository',
    });
    const answer = await redeem(running, consumer, code);
    const { access_token } = answer.json;
    expect(answer.status, answer.text).to.equal(200);
    expect((await callApi(running, `Bearer ${access_token}`)).status).to.equal(403);
    // And says so: RFC 6749 section 5.1, "scope" is what was given.
    expect(answer.json.scope.split(' ')).not.to.include('repository:write');
  });

  // Seen to fail: the user taken out of ownGrant (host/grants.ts); for the next, the origin taken out of requireOwnForm.
  it('another user cannot take it back, nor learn that it exists', async () => {
    const { json } = await running.operator('GET', '/grants?user=frank');
    const bob = await signedIn(running, 'bob');
    const page = await bob.get('/account/authorizations');
    const done = await bob.post('/account/authorizations', {
      csrf: page.hidden.csrf!,
      grant: json.items[0].id,
      revoke: 'grant',
    });
    const unknown = await bob.post('/account/authorizations', {
      csrf: page.hidden.csrf!,
      grant: 'no-such-grant',
      revoke: 'grant',
    });
    expect([done.status, unknown.status]).to.deep.equal([404, 404]);
    expect((await redeem(running, consumer, code)).status).to.equal(200);
  });

  it('taking back from another origin, or without the form’s token, does nothing', async () => {
    const page = await browser.get('/account/authorizations');
    const form = { csrf: page.hidden.csrf!, revoke: 'all' };
    const origin = { origin: 'https://evil.example' };
    expect((await browser.post('/account/authorizations', form, origin)).status).to.equal(403);
    const bare = await browser.post('/account/authorizations', { revoke: 'all' });
    expect(bare.status).to.equal(403);
    expect((await redeem(running, consumer, code)).status).to.equal(200);
  });

  it('a code is dead once its user is deactivated', async () => {
    await running.operator('POST', '/users/frank/deactivate', {});
    expect((await redeem(running, consumer, code)).json.error).to.equal('invalid_grant');
  });
});

describe('a token limited to a resource', () => {
  let running: RunningHost;
  let installed: InstalledAddon;
  const limited: [string, () => Promise<string>][] = [
    [
      'by bitbucket_repository',
      async () => {
        const path = '/oauth2/token';
        const jwt = forgeJwt(
          { alg: 'HS256', typ: 'JWT' },
          addonClaims(installed.payload, 'POST', path),
          hmac(installed.payload.sharedSecret),
        );
        const { json } = await running.request('POST', path, {
          headers: { authorization: `JWT ${jwt}` },
          body: new URLSearchParams({
            grant_type: 'urn:bitbucket:oauth2:jwt',
            bitbucket_repository: 'acme/site',
          }),
        });
        return json.access_token;
      },
    ],
    [
      'by the user who consented',
      async () => {
        const consumer = await registerConsumer(running);
        const { tokens } = await tokensOfAlice(
          running,
          consumer,
          {},
          { answer: 'allow', where: 'chosen', 'resource.acme/site': 'on' },
        );
        const next = await token(running, consumer, {
          grant_type: 'refresh_token',
          refresh_token: tokens.refresh_token,
        });
        return next.json.access_token;
      },
    ],
  ];

  before(async () => {
    running = await startAttackedHost({
      directory: {
        contexts: () => [{ id: 'acme', name: 'Acme' }],
        resources: () => [
          { id: 'acme/site', name: 'Site' },
          { id: 'acme/secret', name: 'Secret' },
        ],
      },
    });
    installed = await installAddon(running, { descriptor: { scopes: ['repository:write'] } });
  });
  after(async () => {
    await running.stop();
    await installed.addon.stop();
  });

  for (const [title, make] of limited) {
    // Seen to fail: the resources check of requirePlace (host/guard.ts) taken out.
    it(`(${title}) opens that, and nothing beside it`, async () => {
      const bearer = `Bearer ${await make()}`;
      expect((await callApi(running, bearer, '/api/acme/site')).status).to.equal(200);
      for (const path of [
        '/api/acme/secret',
        '/api/globex/site',
        '/api/acme/Site',
        '/api/acme/site%20',
      ]) {
        const { status, json } = await callApi(running, bearer, path);
        expect([status, json.code], path).to.deep.equal([403, 'resource_not_granted']);
      }
    });

    it(`(${title}) opens nothing of the workspace itself`, async () => {
      const { status, json } = await callApi(running, `Bearer ${await make()}`, '/all/acme');
      expect([status, json.code]).to.deep.equal([403, 'resource_not_granted']);
    });

    it(`(${title}) is refused, not an error, at addresses that no header can hold`, async () => {
      const bearer = `Bearer ${await make()}`;
      for (const path of [
        '/api/acme/%E2%82%AC',
        '/api/acme/a%0D%0Ab',
        '/api/%F0%9F%92%A9/site',
        '/api/acme/%00',
      ]) {
        const { status, headers } = await callApi(running, bearer, path);
        expect(status, path).to.equal(403);
        expect(headers.get('www-authenticate')).to.match(/^Bearer /);
      }
    });
  }

  it('chosen to be nothing, is not made, and the question can still be answered', async () => {
    const consumer = await registerConsumer(running);
    const browser = new Browser(running);
    await browser.signIn('alice');
    const { hidden } = await browser.get(authorizePath(consumer));
    const nothing = await browser.post('/oauth2/authorize', {
      ...hidden,
      answer: 'allow',
      where: 'chosen',
    });
    expect([nothing.status, nothing.location]).to.deep.equal([422, null]);
    expect(
      (await browser.post('/oauth2/authorize', { ...hidden, answer: 'deny' })).status,
    ).to.equal(303);
  });

  it('narrowed by a later consent, is narrower at once for tokens made before', async () => {
    const consumer = await registerConsumer(running);
    const { tokens, browser } = await tokensOfAlice(running, consumer);
    const bearer = `Bearer ${tokens.access_token}`;
    expect((await callApi(running, bearer, '/api/acme/secret')).status).to.equal(200);
    const page = await browser.get(authorizePath(consumer, { prompt: 'consent' }));
    await browser.post('/oauth2/authorize', {
      ...page.hidden,
      answer: 'allow',
      where: 'chosen',
      'resource.acme/site': 'on',
    });
    expect((await callApi(running, bearer, '/api/acme/secret')).status).to.equal(403);
    expect((await callApi(running, bearer, '/api/acme/site')).status).to.equal(200);
  });
});
