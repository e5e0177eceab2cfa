// RFC 8417 and RFC 8935: who is told that a grant was taken back. Seen red: the mutants called "told" in scripts/mutants.
import { expect } from 'chai';
import jwt from 'jsonwebtoken';
import { Browser } from '../helpers/browser.ts';
import {
  authorizePath,
  consent,
  registerConsumer,
  type TestConsumer,
  token,
  tokensOfAlice,
} from '../helpers/consumer.ts';
import { answer, type FakeAddon, fakeAddon } from '../helpers/fake-addon.ts';
import { installAddon } from '../helpers/installed-addon.ts';
import { TOKEN_CLAIMS_CHANGE, TOKENS_REVOKED, verifiedSet } from '../helpers/security-events.ts';
import { type RunningHost, startHost } from '../helpers/start-host.ts';
import { until } from '../helpers/until.ts';

const PATH = '/events';

describe('a consumer with a security events URL', () => {
  let running: RunningHost;
  let receiver: FakeAddon;
  let consumer: TestConsumer;

  beforeEach(async () => {
    running = await startHost({
      random: () => 0,
      product(host, app) {
        app.use(host.guard('issue'));
        app.use((ctx) => {
          ctx.body = 'in';
        });
      },
    });
    receiver = await fakeAddon();
    receiver.respond = answer(202);
    consumer = await registerConsumer(running, { eventsUri: receiver.url + PATH });
  });
  afterEach(async () => {
    await running.stop();
    await receiver.stop();
  });

  const told = async (count = 1, of = consumer) =>
    verifiedSet(await receiver.waitFor(PATH, count), running.url, of.clientId);
  const events = async (of = consumer) =>
    (await running.operator('GET', `/security-events?client=${of.clientId}`)).json.items;
  const grantsOf = async (of = consumer, user = 'alice') =>
    (await running.operator('GET', `/grants?user=${user}`)).json.items.filter(
      (one: { clientId: string }) => one.clientId === of.clientId,
    );
  const inState = (state: string, of = consumer) =>
    until(async () => {
      const [newest] = await events(of);
      return newest?.state === state && newest;
    }, `the event to be ${state}`);
  const revoke = async (browser: Browser, form: Record<string, string>) => {
    const { hidden } = await browser.get('/account/authorizations');
    const { status } = await browser.post('/account/authorizations', {
      csrf: hidden.csrf!,
      ...form,
    });
    expect(status).to.equal(303);
  };

  it('is told when the user takes the grant back: who, from whom, to whom', async () => {
    const { browser, tokens } = await tokensOfAlice(running, consumer);
    const [grant] = await grantsOf();
    const { json: known } = await token(
      running,
      consumer,
      { token: tokens.access_token },
      '/oauth2/introspect',
    );
    await revoke(browser, { grant: grant.id, revoke: 'grant' });
    const set = await told();
    expect(set).to.deep.include({
      iss: running.url,
      aud: consumer.clientId,
      // The user by the name the consumer knows from introspection.
      sub_id: { format: 'iss_sub', iss: running.url, sub: known.sub },
      events: {
        [TOKENS_REVOKED]: { subject: { subject_type: 'iss-sub', iss: running.url, sub: 'alice' } },
      },
    });
    expect(set).to.have.keys('iss', 'aud', 'iat', 'jti', 'sub_id', 'events');
    expect(set.iat).to.be.closeTo(Date.now() / 1000, 10);
    const event = await inState('accepted');
    expect(event).to.include({ id: set.jti, user: 'alice', attemptCount: 1, nextAttemptAt: null });
    const { attempts } = (await running.operator('GET', `/security-events/${set.jti}`)).json;
    expect(attempts).to.have.length(1);
    expect(attempts[0]).to.include({ number: 1, status: 202, url: receiver.url + PATH });
  });

  it('is told what is left when the user takes back one permission, and its token lives with that', async () => {
    const { browser, tokens } = await tokensOfAlice(running, consumer);
    const [grant] = await grantsOf();
    await revoke(browser, { grant: grant.id, revoke: 'scope.email' });
    const set = await told();
    expect(Object.keys(set.events)).to.deep.equal([TOKEN_CLAIMS_CHANGE]);
    const { claims, event_timestamp } = set.events[TOKEN_CLAIMS_CHANGE];
    expect(claims).to.deep.equal({ scope: 'repository:write issue' });
    expect(event_timestamp).to.equal(set.iat);
    const { status } = await running.request('GET', '/', {
      headers: { authorization: `Bearer ${tokens.access_token}` },
    });
    expect(status).to.equal(200);
  });

  it('is told that nothing is left when the last permission is taken back', async () => {
    const { browser } = await tokensOfAlice(running, consumer, { scope: 'issue' });
    const [grant] = await grantsOf();
    await revoke(browser, { grant: grant.id, revoke: 'scope.issue' });
    expect(Object.keys((await told()).events)).to.deep.equal([TOKENS_REVOKED]);
  });

  const byOthers: [title: string, act: () => Promise<unknown>][] = [
    [
      'the user takes back everything',
      async () => {
        const browser = new Browser(running);
        await browser.signIn('alice');
        await revoke(browser, { revoke: 'all' });
      },
    ],
    [
      'an operator ends the grant',
      async () => running.operator('DELETE', `/grants/${(await grantsOf())[0].id}`),
    ],
    ['the user is deactivated', () => running.operator('POST', '/users/alice/deactivate')],
  ];
  for (const [title, act] of byOthers) {
    it(`is told when ${title}`, async () => {
      const other = await registerConsumer(running, { eventsUri: `${receiver.url}/other` });
      await tokensOfAlice(running, consumer);
      await tokensOfAlice(running, other);
      await act();
      const set = await told();
      expect(set.sub_id.sub).to.equal('alice');
      expect(Object.keys(set.events)).to.deep.equal([TOKENS_REVOKED]);
      if (title.includes('operator')) return;
      await verifiedSet(await receiver.waitFor('/other'), running.url, other.clientId);
    });
  }

  const byItself: [title: string, act: (tokens: { refresh_token: string }) => Promise<unknown>][] =
    [
      [
        'revokes its own refresh token (RFC 7009)',
        ({ refresh_token }) => token(running, consumer, { token: refresh_token }, '/oauth2/revoke'),
      ],
      ['gets another grant', () => tokensOfAlice(running, consumer, { prompt: 'consent' })],
      ['is deleted', () => running.operator('DELETE', `/consumers/${consumer.clientId}`)],
      [
        'is registered for less',
        () => running.operator('PATCH', `/consumers/${consumer.clientId}`, { scopes: ['issue'] }),
      ],
    ];
  for (const [title, act] of byItself) {
    it(`is not told when it ${title}`, async () => {
      const { tokens } = await tokensOfAlice(running, consumer);
      await act(tokens);
      expect(await events()).to.deep.equal([]);
    });
  }

  it('is told again, word for word, until it accepts', async () => {
    const { browser } = await tokensOfAlice(running, consumer);
    receiver.respond = answer(503);
    await revoke(browser, { revoke: 'all' });
    const first = await receiver.waitFor(PATH);
    receiver.respond = answer(202);
    const second = await receiver.waitFor(PATH, 2);
    expect(second.body.toString()).to.equal(first.body.toString());
    const { id } = await inState('accepted');
    const { attempts } = (await running.operator('GET', `/security-events/${id}`)).json;
    expect(attempts.map((one: { status: number }) => one.status)).to.deep.equal([503, 202]);
  });

  it('that refuses with a reason is not told again, and the reason is kept', async () => {
    const { browser } = await tokensOfAlice(running, consumer);
    receiver.respond = answer(400, '{"err":"invalid_audience","description":"Not ours."}');
    await revoke(browser, { revoke: 'all' });
    const { id } = await inState('failed');
    const { attempts } = (await running.operator('GET', `/security-events/${id}`)).json;
    expect(attempts).to.have.length(1);
    expect(attempts[0].excerpt).to.include('invalid_audience');
  });

  it('that answers 400 without one is told again', async () => {
    const { browser } = await tokensOfAlice(running, consumer);
    receiver.respond = answer(400, 'Bad Request');
    await revoke(browser, { revoke: 'all' });
    await receiver.waitFor(PATH, 2);
  });

  it('is not told that a grant ended once the user has granted anew', async () => {
    const { browser } = await tokensOfAlice(running, consumer);
    receiver.respond = answer(503);
    await revoke(browser, { revoke: 'all' });
    await receiver.waitFor(PATH);
    await consent(browser, authorizePath(consumer));
    expect((await events())[0].state).to.equal('superseded');
  });

  it('is told the last of several changes that it has not heard of yet', async () => {
    const { browser } = await tokensOfAlice(running, consumer);
    receiver.respond = answer(503);
    await revoke(browser, { grant: (await grantsOf())[0].id, revoke: 'scope.email' });
    await receiver.waitFor(PATH);
    receiver.respond = answer(202);
    await revoke(browser, { revoke: 'all' });
    const set = await until(async () => {
      const last = receiver.to(PATH).at(-1)!;
      const claims = await verifiedSet(last, running.url, consumer.clientId);
      return TOKENS_REVOKED in claims.events && claims;
    }, 'the end of the grant to be told');
    await inState('accepted');
    const states = (await events()).map((one: { state: string }) => one.state);
    expect(states).to.deep.equal(['accepted', 'superseded']);
    expect(set.sub_id.sub).to.equal('alice');
  });

  it('that takes its address away is told nothing any more', async () => {
    const { browser } = await tokensOfAlice(running, consumer);
    receiver.respond = answer(503);
    await revoke(browser, { revoke: 'all' });
    await receiver.waitFor(PATH);
    await running.operator('PATCH', `/consumers/${consumer.clientId}`, { eventsUri: null });
    await inState('dropped');
    await tokensOfAlice(running, consumer);
    await revoke(browser, { revoke: 'all' });
    expect(await events()).to.have.length(1);
  });

  it('keeps no secret in what an operator sees, whatever the receiver echoes', async () => {
    const { browser, tokens } = await tokensOfAlice(running, consumer);
    receiver.respond = ({ body }, response) => void response.writeHead(202).end(body);
    await revoke(browser, { revoke: 'all' });
    const sent = (await receiver.waitFor(PATH)).body.toString();
    const { id } = await inState('accepted');
    const { text } = await running.operator('GET', `/security-events/${id}`);
    expect(text).not.to.include(sent.split('.')[2]!);
    for (const secret of [tokens.access_token, tokens.refresh_token, consumer.clientSecret!])
      expect(Buffer.from(sent.split('.')[1]!, 'base64url').toString()).not.to.include(secret);
  });

  it('hung up, delays nobody else', async () => {
    const quick = await registerConsumer(running, { eventsUri: `${receiver.url}/quick` });
    let letGo: () => void = () => undefined;
    receiver.respond = (call, response) => {
      if (call.url === '/quick') response.writeHead(202).end();
      else letGo = () => response.writeHead(202).end();
    };
    const { browser } = await tokensOfAlice(running, consumer);
    await tokensOfAlice(running, quick);
    await revoke(browser, { revoke: 'all' });
    await receiver.waitFor(PATH);
    await receiver.waitFor('/quick');
    await inState('accepted', quick);
    expect((await events())[0].state).to.equal('owed');
    letGo();
  });

  const addresses: [title: string, eventsUri: unknown, status: number][] = [
    ['https', 'https://client.example/events', 201],
    ['http on loopback, in development', 'http://localhost:9/events', 201],
    ['plain http', 'http://client.example/events', 422],
    ['another scheme', 'ftp://client.example/events', 422],
    ['no address', '/events', 422],
    ['a password in it', 'https://a:b@client.example/events', 422],
    ['a private address', 'https://10.0.0.1/events', 422],
    ['the metadata of a cloud', 'https://169.254.169.254/events', 422],
    ['more characters than anybody needs', `https://client.example/${'x'.repeat(2048)}`, 422],
    ['what is no text', 5, 422],
  ];
  for (const [title, eventsUri, status] of addresses) {
    it(`is ${status === 201 ? 'registered' : 'refused'} with ${title}`, async () => {
      const made = await running.operator('POST', '/consumers', {
        name: 'X',
        scopes: [],
        owner: 'acme',
        eventsUri,
      });
      expect(made.status, made.text).to.equal(status);
      if (status === 201) expect(made.json.eventsUri).to.equal(eventsUri);
      const changed = await running.operator('PATCH', `/consumers/${consumer.clientId}`, {
        eventsUri,
      });
      expect(changed.status).to.equal(status === 201 ? 200 : 422);
    });
  }

  it('is never told at a loopback address outside development', async () => {
    const strict = await startHost({
      dev: false,
      baseUrl: 'https://host.example',
      currentUser: () => undefined,
      paused: true,
    });
    try {
      const { parts } = strict.host;
      const { registerConsumer: register } = await import('../../src/host/consumers.ts');
      const refused = await register(
        {
          name: 'X',
          redirectUris: [],
          scopes: [],
          eventsUri: 'https://localhost/events',
          owner: 'acme',
        },
        parts,
      ).catch((error: Error) => error);
      expect(refused).to.have.property('code', 'consumer_invalid');
    } finally {
      await strict.stop();
    }
  });
});

describe('an add-on that acts as a user', () => {
  const PLATFORM = {
    key: 'people',
    name: 'People',
    contexts: { site: {} },
    scopes: {
      read: { sentence: 'Read' },
      'act-as-user': { sentence: 'Act as you', actAsUser: true },
    },
    events: {},
  };
  const DESCRIPTOR = {
    scopes: ['read', 'act-as-user'],
    modules: {},
    lifecycle: {
      installed: '/installed',
      uninstalled: '/uninstalled',
      authorizationRevoked: '/revoked',
    },
  };
  let running: RunningHost;
  let addon: FakeAddon;
  let installationId: string;
  let alice: Browser;

  beforeEach(async () => {
    running = await startHost({ platform: PLATFORM, random: () => 0 });
    const installed = await installAddon(running, { descriptor: DESCRIPTOR });
    ({ addon } = installed);
    installationId = installed.installation.id;
    alice = new Browser(running);
    await alice.signIn('alice');
  });
  afterEach(async () => {
    await running.stop();
    await addon.stop();
  });

  const credentials = () => addon.to('/installed').at(-1)!.json;
  let count = 0;
  const actAs = (user: string) => {
    const seconds = Math.floor(Date.now() / 1000);
    const assertion = jwt.sign(
      {
        iss: `urn:atlassian:connect:clientid:${credentials().oauthClientId}`,
        sub: user,
        aud: running.url,
        iat: seconds,
        exp: seconds + 60,
        jti: String(++count),
      },
      credentials().sharedSecret,
    );
    const grant_type = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
    return running.request('POST', '/oauth2/token', {
      body: new URLSearchParams({ grant_type, assertion }),
    });
  };
  const takeBack = async (what = 'grant') => {
    const { hidden } = await alice.get('/account/authorizations');
    return alice.post('/account/authorizations', {
      csrf: hidden.csrf!,
      grant: hidden.grant!,
      revoke: what,
    });
  };

  it('is told when the user takes that back, and acts as that user no more', async () => {
    const { json } = await actAs('alice');
    expect((await takeBack()).status).to.equal(303);
    const { oauthClientId } = credentials();
    const set = await verifiedSet(await addon.waitFor('/revoked'), running.url, oauthClientId);
    expect(set.sub_id).to.deep.equal({ format: 'iss_sub', iss: running.url, sub: 'alice' });
    expect(Object.keys(set.events)).to.deep.equal([TOKENS_REVOKED]);
    const introspected = await token(
      running,
      { clientId: oauthClientId, clientSecret: credentials().oauthClientSecret },
      { token: json.access_token },
      '/oauth2/introspect',
    );
    expect(introspected.json).to.deep.equal({ active: false });
    expect((await actAs('alice')).json.error).to.equal('invalid_grant');
    expect((await actAs('bob')).status).to.equal(200);
  });

  it('may ask that user again only when it was uninstalled in between', async () => {
    await actAs('alice');
    await takeBack('all');
    const install = () =>
      running.operator('POST', '/installations', {
        descriptorUrl: addon.descriptorUrl,
        context: 'acme',
      });
    expect((await install()).status).to.equal(201);
    expect((await actAs('alice')).json.error).to.equal('invalid_grant');
    await running.operator('DELETE', `/installations/${installationId}`);
    await addon.waitFor('/uninstalled');
    expect((await install()).status).to.equal(201);
    expect((await actAs('alice')).status).to.equal(200);
  });

  it('has all it was granted or nothing: one permission cannot be taken back', async () => {
    await actAs('alice');
    const page = await alice.get('/account/authorizations');
    expect(page.text).not.to.include('value="scope.read"');
    expect((await takeBack('scope.read')).status).to.equal(409);
    expect((await actAs('alice')).status).to.equal(200);
  });

  it('is told when the user is deactivated', async () => {
    await actAs('alice');
    await running.operator('POST', '/users/alice/deactivate');
    await addon.waitFor('/revoked');
  });

  it('is told nothing more once it is uninstalled', async () => {
    await actAs('alice');
    addon.respond = ({ url }, response) =>
      void response.writeHead(url === '/revoked' ? 503 : 204).end();
    await takeBack();
    await addon.waitFor('/revoked');
    await running.operator('DELETE', `/installations/${installationId}`);
    await until(async () => {
      const { items } = (await running.operator('GET', '/security-events')).json;
      return items[0].state === 'dropped';
    }, 'the event to be dropped');
  });

  it('is not told where its descriptor has no address for it', async () => {
    const silent = await installAddon(running, {
      context: 'other',
      descriptor: { ...DESCRIPTOR, key: 'silent', lifecycle: { installed: '/installed' } },
    });
    const mine = addon;
    addon = silent.addon;
    await actAs('alice');
    addon = mine;
    await takeBack('all');
    expect((await running.operator('GET', '/security-events')).json.items).to.deep.equal([]);
    await silent.addon.stop();
  });
});
