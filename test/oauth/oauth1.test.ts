// OAuth 1.0a (RFC 5849), with the npm package oauth-1.0a as the consumer. Each guard was removed in a scratch copy to
// see its test fail; "without:" names what was removed.
import { request } from 'node:http';
import Router from '@koa/router';
import { expect } from 'chai';
import type { Context, Next } from 'koa';
import getRawBody from 'raw-body';
import { baseString } from '../../src/oauth/oauth1/base-string.ts';
import { parseForm, parseHeader, percentEncode } from '../../src/oauth/oauth1/parameters.ts';
import { sign } from '../../src/oauth/oauth1/signature.ts';
import { Browser } from '../helpers/browser.ts';
import { CALLBACK, registerConsumer, type TestConsumer, token } from '../helpers/consumer.ts';
import { bytesInside } from '../helpers/inside-database.ts';
import { type Answer, type RunningHost, startHost } from '../helpers/start-host.ts';
import {
  answerConsent,
  type Credentials,
  credentialsOf,
  ENDPOINTS,
  Oauth1Client,
} from './oauth1-client.ts';

describe('what an OAuth 1.0a signature is over', () => {
  it('is the base string of RFC 5849 section 3.4.1.1 for its example', () => {
    const header =
      'OAuth realm="Example", oauth_consumer_key="9djdj82h48djs9d2", oauth_token="kkk9d7dh3k39sjv7",' +
      ' oauth_signature_method="HMAC-SHA1", oauth_timestamp="137131201", oauth_nonce="7d8f3e4a",' +
      ' oauth_signature="bYT5CMsGcbgUdFHObYMEfcx6bsw%3D"';
    const parameters = [
      ...parseForm('b5=%3D%253D&a3=a&c%40=&a2=r%20b'),
      ...parseHeader(header)!,
      ...parseForm('c2&a3=2+q'),
    ];
    expect(baseString('post', 'http://EXAMPLE.COM:80/request?b5=x', parameters)).to.equal(
      'POST&http%3A%2F%2Fexample.com%2Frequest&a2%3Dr%2520b%26a3%3D2%2520q%26a3%3Da%26b5%3D%253D%25253D' +
        '%26c%2540%3D%26c2%3D%26oauth_consumer_key%3D9djdj82h48djs9d2%26oauth_nonce%3D7d8f3e4a' +
        '%26oauth_signature_method%3DHMAC-SHA1%26oauth_timestamp%3D137131201%26oauth_token%3Dkkk9d7dh3k39sjv7',
    );
  });

  const uris: [given: string, signed: string][] = [
    ['HTTP://EXAMPLE.COM:80/r%20v/X?id=123', 'http://example.com/r%20v/X'],
    ['https://www.example.net:8080/?q=1', 'https://www.example.net:8080/'],
    ['https://example.com:443', 'https://example.com/'],
    ['https://example.com:80/a', 'https://example.com:80/a'],
    ['https://example.com/a%2Fb/../c', 'https://example.com/a%2Fb/../c'],
  ];
  for (const [given, signed] of uris) {
    it(`names ${given} as ${signed} (section 3.4.1.2)`, () => {
      expect(baseString('GET', given, []).split('&')[1]).to.equal(percentEncode(signed));
    });
  }

  // Section 1.2: the photo printer's three requests.
  const signatures: [string, string, string, [string, string], string][] = [
    [
      'POST https://photos.example.net/initiate',
      '',
      'oauth_timestamp="137131200", oauth_nonce="wIjqoS", oauth_callback="http%3A%2F%2Fprinter.example.com%2Fready"',
      ['kd94hf93k423kf44', ''],
      '74KNZJeDHnMBp0EMJ9ZHt/XKycU=',
    ],
    [
      'POST https://photos.example.net/token',
      '',
      'oauth_token="hh5s93j4hdidpola", oauth_timestamp="137131201", oauth_nonce="walatlh", oauth_verifier="hfdp7dh39dks9884"',
      ['kd94hf93k423kf44', 'hdhd0244k9j7ao03'],
      'gKgrFCywp7rO0OXSjdot/IHF7IU=',
    ],
    [
      'GET http://photos.example.net/photos',
      'file=vacation.jpg&size=original',
      'oauth_token="nnch734d00sl2jdk", oauth_timestamp="137131202", oauth_nonce="chapoH"',
      ['kd94hf93k423kf44', 'pfkkdhi9sl3r4s00'],
      'MdpQcU8iPSUjWoN/UDMsK2sui9I=',
    ],
  ];
  for (const [request, query, header, [consumerSecret, tokenSecret], expected] of signatures) {
    it(`gives the signature of RFC 5849 section 1.2 for ${request}`, () => {
      const [method = '', url = ''] = request.split(' ');
      const common =
        'OAuth realm="Photos", oauth_consumer_key="dpf43f3p2l4k3l03", oauth_signature_method="HMAC-SHA1"';
      const text = baseString(method, url, [
        ...parseForm(query),
        ...parseHeader(`${common}, ${header}`)!,
      ]);
      expect(sign('HMAC-SHA1', text, consumerSecret, tokenSecret)).to.equal(expected);
    });
  }
});

describe('OAuth 1.0a', () => {
  let running: RunningHost;
  let consumer: TestConsumer;
  let client: Oauth1Client;
  let other: Oauth1Client;
  let old: Oauth1Client;
  let alice: Browser;
  let aheadMs = 0;
  const now = () => Math.floor((Date.now() + aheadMs) / 1000);

  before(async () => {
    running = await startHost({
      clock: { now: () => Date.now() + aheadMs },
      product(host, app) {
        const router = new Router();
        const answer = (ctx: {
          state: Record<string, unknown>;
          request: object;
          body: unknown;
        }) => {
          const { rawBody, body } = ctx.request as { rawBody?: string; body?: unknown };
          ctx.body = { caller: ctx.state.mortise, rawBody, form: body };
        };
        router.get('/api/issues', host.guard('issue'), answer);
        router.post('/api/issues', host.guard('issue'), answer);
        const parser = (keeps: boolean) => async (ctx: Context, next: Next) => {
          const rawBody = await getRawBody(ctx.req, 'utf8');
          Object.assign(ctx.request, { body: {} }, keeps && { rawBody });
          await next();
        };
        router.post('/api/kept', parser(true), host.guard('issue'), answer);
        router.post('/api/lost', parser(false), host.guard('issue'), answer);
        router.get('/api/wiki', host.guard('wiki'), answer);
        router.get('/api/in/:workspace/issues', host.guard('issue'), answer);
        app.use(router.routes());
      },
    });
    consumer = await registerConsumer(running, { oauth1: true, scopes: ['issue'] });
    client = new Oauth1Client(running, consumer);
    other = new Oauth1Client(running, await registerConsumer(running, { oauth1: true }));
    old = new Oauth1Client(running, await importOld('old-consumer'));
    alice = await signedIn('alice');
  });
  afterEach(() => {
    aheadMs = 0;
  });
  after(() => running.stop());

  const importOld = (clientId: string) =>
    registerConsumer(running, {
      clientId,
      clientSecret: 'old secret&+*~',
      scopes: null,
      oauth1: true,
    });
  const signedIn = async (user: string) => {
    const browser = new Browser(running);
    await browser.signIn(user);
    return browser;
  };
  const allowed = async (by = client, callback = CALLBACK) => {
    const requested = await by.freshRequestToken(callback);
    const done = await answerConsent(alice, requested);
    return { requested, verifier: new URL(done.location!).searchParams.get('oauth_verifier')! };
  };
  /** @returns status and code, after seeing that a 401 has its challenge */
  const refusal = ({ status, json, headers, text }: Answer) => {
    if (status === 401) expect(headers.get('www-authenticate')).to.equal('OAuth realm="api"');
    expect(text).not.to.include(consumer.clientSecret!);
    return [status, json?.code];
  };

  for (const method of ['HMAC-SHA1', 'HMAC-SHA256'] as const) {
    it(`goes through its three legs with ${method}, to a token that the guard accepts`, async () => {
      const asked = await client.requestToken(CALLBACK, { method });
      expect(new URLSearchParams(asked.text).get('oauth_callback_confirmed')).to.equal('true');
      expect(asked.headers.get('cache-control')).to.equal('no-store');
      const requested = credentialsOf(asked);
      const done = await answerConsent(alice, requested);
      expect(done.status).to.equal(303);
      const to = new URL(done.location!);
      expect(to.origin + to.pathname).to.equal(CALLBACK);
      expect(to.searchParams.get('oauth_token')).to.equal(requested.key);
      const granted = credentialsOf(
        await client.accessToken(requested, to.searchParams.get('oauth_verifier')!, { method }),
      );
      const { status, json } = await client.call('GET', '/api/issues', { method, token: granted });
      expect(status).to.equal(200);
      expect(json.caller).to.deep.include({
        user: { id: 'alice' },
        consumer: { id: consumer.clientId },
        scopes: ['issue'],
      });
    });
  }

  it('sends a stranger to sign in, and back to the question', async () => {
    const { key } = await client.freshRequestToken(CALLBACK);
    const page = await new Browser(running).get(`${ENDPOINTS}/authenticate?oauth_token=${key}`);
    expect([page.status, page.location]).to.deep.equal([
      303,
      `/signin?return=${encodeURIComponent(`${ENDPOINTS}/authenticate?oauth_token=${key}`)}`,
    ]);
  });

  describe('a signed API call', () => {
    let granted: Credentials;
    before(async () => {
      granted = await client.threeLegs(alice, CALLBACK);
    });
    const get = (path: string, more = {}) => client.call('GET', path, { token: granted, ...more });
    const send = (path: string, authorization: string, init: RequestInit = {}) =>
      running.request('GET', path, { ...init, headers: { authorization, ...init.headers } });

    // without: "*" in percentEncode; the order of equal names.
    it('may have a query, whose parameters are signed', async () => {
      const path = '/api/issues?q=a%20b&sort=%2Btitle&empty=&star=*~&price=%E2%82%AC&n=2&n=1';
      expect((await get(path)).status).to.equal(200);
    });

    it('may have a form, whose parameters are signed, and leaves it for the product', async () => {
      const data = { title: 'a b+c*d~e&f=é', 'odd name': '' };
      const { status, json } = await client.call('POST', '/api/issues', { token: granted, data });
      expect(status).to.equal(200);
      expect(json.rawBody).to.equal(new URLSearchParams(data).toString());
      expect(json.form).to.deep.equal(data);
    });

    // without: the form's parameters in the base string.
    it('is refused with another form than was signed', async () => {
      const authorization = client.header('POST', '/api/issues', {
        token: granted,
        data: { title: 'mine' },
      });
      const answer = await running.request('POST', '/api/issues', {
        headers: { authorization },
        body: new URLSearchParams({ title: 'theirs' }),
      });
      expect(refusal(answer)).to.deep.equal([401, 'signature_invalid']);
    });

    it('leaves bodies of other types unread: they are not signed', async () => {
      const answer = await running.request('POST', '/api/issues', {
        headers: {
          authorization: client.header('POST', '/api/issues', { token: granted }),
          'content-type': 'application/json',
        },
        body: '{"title":"x"}',
      });
      expect(answer.status).to.equal(200);
      expect(answer.json.rawBody).to.equal(undefined);
    });

    // without: the limit of readFormBody.
    it('refuses a form that is larger than it would read', async () => {
      const answer = await running.request('POST', '/api/issues', {
        headers: { authorization: client.header('POST', '/api/issues', { token: granted }) },
        body: new URLSearchParams({ title: 'x'.repeat(1_100_000) }),
      });
      expect(refusal(answer)).to.deep.equal([413, 'payload_too_large']);
    });

    it('may carry its oauth_ parameters in the query', async () => {
      const signed = client.authorize('GET', '/api/issues?q=1', { token: granted });
      const query = new URLSearchParams({ q: '1', ...(signed as object) });
      expect((await running.request('GET', `/api/issues?${query}`)).status).to.equal(200);
    });

    // without: replaceAll in parseForm; and with one in parseHeader.
    it('reads "+" as a space in the query, and as a plus in the header', async () => {
      const authorization = client.header('GET', '/api/issues?q=a%20b', {
        token: granted,
        nonce: 'a+b',
      });
      expect(authorization).to.include('oauth_nonce="a%2Bb"');
      const plain = authorization.replace('a%2Bb', 'a+b');
      expect((await send('/api/issues?q=a+b', plain)).status).to.equal(200);
    });

    it('reads scheme and realm whatever their case and place', async () => {
      const header = client.header('GET', '/api/issues', { token: granted });
      const odd = header.replace('OAuth ', 'oauth  Realm="a, \\"b\\" = c" ,\t');
      expect((await send('/api/issues', odd)).status).to.equal(200);
    });

    // without: the configured baseUrl, the Host header in its place.
    it('is signed for the configured address, whatever the Host header says', async () => {
      const authorization = client.header('GET', '/api/issues', { token: granted });
      const headers = { host: 'evil.example', 'x-forwarded-host': 'evil.example', authorization };
      const status = await new Promise((resolve, reject) => {
        const sent = request(`${running.url}/api/issues`, { headers }, (answer) => {
          answer.resume();
          resolve(answer.statusCode);
        });
        sent.on('error', reject).end();
      });
      expect(status).to.equal(200);
    });

    // without: readableEnded in readFormBody.
    it('takes the text of a form that a body parser before the guard has kept, and says so if it has not', async () => {
      const data = { title: 'x' };
      const signing = { token: granted, data };
      expect((await client.call('POST', '/api/kept', signing)).status).to.equal(200);
      expect((await client.call('POST', '/api/lost', signing)).status).to.equal(500);
      expect((await client.call('POST', '/api/lost', { token: granted })).status).to.equal(200);
    });

    // without: takeNonce.
    it('is refused when it comes again', async () => {
      const authorization = client.header('GET', '/api/issues', { token: granted });
      expect((await send('/api/issues', authorization)).status).to.equal(200);
      expect(refusal(await send('/api/issues', authorization))).to.deep.equal([401, 'nonce_used']);
    });

    it('has one winner of eight that are the same', async () => {
      const authorization = client.header('GET', '/api/issues', { token: granted });
      const answers = await Promise.all(
        Array.from({ length: 8 }, () => send('/api/issues', authorization)),
      );
      expect(answers.filter(({ status }) => status === 200)).to.have.length(1);
    });

    it('may use a nonce again with another timestamp, token or consumer', async () => {
      const signing = { nonce: 'same', timestamp: now() };
      const { timestamp } = signing;
      for (const answer of [
        await get('/api/issues', signing),
        await get('/api/issues', { ...signing, timestamp: timestamp - 1 }),
        await client.call('GET', '/api/issues', signing),
        await other.call('GET', '/api/issues', signing),
      ]) {
        expect(answer.status, answer.text).to.equal(200);
      }
    });

    // without: the signature before the nonce.
    it('does not use up the nonce of a request that was signed wrongly', async () => {
      const signing = { token: granted, nonce: 'kept', timestamp: now() };
      const wrong = { ...signing, token: { ...granted, secret: 'wrong' } };
      expect(refusal(await client.call('GET', '/api/issues', wrong))).to.deep.equal([
        401,
        'signature_invalid',
      ]);
      expect((await client.call('GET', '/api/issues', signing)).status).to.equal(200);
    });

    // without: the timestamp window.
    for (const [title, offSeconds, expected] of [
      ['late', -310, 401],
      ['early', 310, 401],
      ['late, within five minutes', -290, 200],
      ['early, within five minutes', 290, 200],
    ] as const) {
      it(`that is ${title}, gets ${expected}`, async () => {
        const answer = await get('/api/issues', { timestamp: now() + offSeconds });
        expect(answer.status).to.equal(expected);
        if (expected === 401) expect(refusal(answer)[1]).to.equal('timestamp_refused');
      });
    }

    const tampered: [title: string, sent: (header: string) => [path: string, header: string]][] = [
      ['another query', (header) => ['/api/issues?q=2', header]],
      ['a further parameter', (header) => ['/api/issues?q=1&admin=1', header]],
      ['a parameter less', (header) => ['/api/issues', header]],
      ['another path', (header) => ['/api/in/acme/issues?q=1', header]],
      [
        'another nonce',
        (header) => ['/api/issues?q=1', header.replace(/oauth_nonce="./, 'oauth_nonce="_')],
      ],
      [
        'a further oauth_ parameter',
        (header) => ['/api/issues?q=1', `${header}, oauth_callback="oob"`],
      ],
      [
        'another signature of the same length',
        (header) => [
          '/api/issues?q=1',
          header.replace(/oauth_signature="[^"]+"/, `oauth_signature="${'A'.repeat(27)}%3D"`),
        ],
      ],
    ];
    // without: holdsSignature.
    for (const [title, change] of tampered) {
      it(`is refused with ${title} than was signed`, async () => {
        const [path, header] = change(client.header('GET', '/api/issues?q=1', { token: granted }));
        expect(refusal(await send(path, header))).to.deep.equal([401, 'signature_invalid']);
      });
    }

    it('is refused by another method', async () => {
      const authorization = client.header('GET', '/api/issues', { token: granted });
      const answer = await running.request('POST', '/api/issues', { headers: { authorization } });
      expect(refusal(answer)).to.deep.equal([401, 'signature_invalid']);
    });

    it('says what the signed text must begin with', async () => {
      const answer = await get('/api/issues', { token: { ...granted, secret: 'x' } });
      expect(answer.json.hint).to.include(
        `"GET&${encodeURIComponent(`${running.url}/api/issues`)}&"`,
      );
    });

    const wrong: [title: string, caller: () => [Oauth1Client, Credentials], code: string][] = [
      ['a wrong consumer secret', () => [as({ clientSecret: 'x' }), granted], 'signature_invalid'],
      ['a wrong token secret', () => [client, { ...granted, secret: 'x' }], 'signature_invalid'],
      ['an unknown consumer', () => [as({ clientId: 'x' }), granted], 'consumer_key_unknown'],
      ['an unknown token', () => [client, { ...granted, key: 'mto_x' }], 'token_rejected'],
      // without: the comparison of the token's consumer with the one that signed.
      ['another consumer’s token', () => [other, granted], 'token_rejected'],
    ];
    const as = (more: Partial<TestConsumer>) => new Oauth1Client(running, { ...consumer, ...more });
    for (const [title, caller, code] of wrong) {
      it(`is refused with ${title}`, async () => {
        const [by, token] = caller();
        const answer = await by.call('GET', '/api/issues', { token });
        expect(refusal(answer)).to.deep.equal([401, code]);
      });
    }

    it('is refused with a request token, and with a consumer of OAuth 2 only', async () => {
      const { requested } = await allowed();
      expect(refusal(await client.call('GET', '/api/issues', { token: requested }))).to.deep.equal([
        401,
        'token_rejected',
      ]);
      const modern = new Oauth1Client(running, await registerConsumer(running));
      expect(refusal(await modern.call('GET', '/api/issues'))).to.deep.equal([
        401,
        'consumer_key_unknown',
      ]);
    });

    const malformed: [title: string, change: (header: string) => string, code: string][] = [
      [
        'PLAINTEXT',
        (header) => header.replace('HMAC-SHA1', 'PLAINTEXT'),
        'signature_method_rejected',
      ],
      [
        'RSA-SHA1',
        (header) => header.replace('HMAC-SHA1', 'RSA-SHA1'),
        'signature_method_rejected',
      ],
      [
        'another method',
        (header) => header.replace('HMAC-SHA1', '__proto__'),
        'signature_method_rejected',
      ],
      ['version 2.0', (header) => header.replace('"1.0"', '"2.0"'), 'version_rejected'],
      // without: protocol.has(name).
      ['a parameter twice', (header) => `${header}, oauth_nonce="x"`, 'parameter_repeated'],
      ['no nonce', (header) => header.replace(/oauth_nonce="[^"]*", /, ''), 'parameter_absent'],
      [
        'an endless nonce',
        (header) => header.replace(/(oauth_nonce=")[^"]*/, `$1${'x'.repeat(256)}`),
        'parameter_rejected',
      ],
      [
        'no signature',
        (header) => header.replace(/oauth_signature="[^"]*", /, ''),
        'parameter_absent',
      ],
      [
        'no consumer',
        (header) => header.replace(/oauth_consumer_key="[^"]*", /, ''),
        'parameter_absent',
      ],
      [
        'a time that is none',
        (header) => header.replace(/(oauth_timestamp=")/, '$1-'),
        'parameter_rejected',
      ],
      ['a value without quotes', (header) => header.replace('"1.0"', '1.0'), 'parameter_rejected'],
      ['a bad percent sign', (header) => header.replace('"1.0"', '"%zz"'), 'parameter_rejected'],
      ['nothing', () => 'OAuth', 'parameter_absent'],
    ];
    for (const [title, change, code] of malformed) {
      it(`is malformed with ${title}`, async () => {
        const header = change(client.header('GET', '/api/issues', { token: granted }));
        expect(refusal(await send('/api/issues', header))).to.deep.equal([400, code]);
      });
    }

    // without: found.length > 1.
    it('is malformed with oauth_ parameters in more than one place', async () => {
      const path = '/api/issues?oauth_version=1.0';
      const header = client.header('GET', path, { token: granted });
      expect(refusal(await send(path, header))).to.deep.equal([400, 'parameter_rejected']);
    });

    it('needs no oauth_version', async () => {
      const { oauth_version: _, ...rest } = client.authorize('GET', '/api/issues', {
        token: granted,
      }) as unknown as Record<string, string>;
      const { oauth_signature: __, ...unsigned } = rest;
      const pairs: [string, string][] = Object.entries(unsigned).map(([k, v]) => [k, String(v)]);
      const text = baseString('GET', `${running.url}/api/issues`, pairs);
      const signature = sign('HMAC-SHA1', text, consumer.clientSecret!, granted.secret);
      const header = `OAuth ${[...pairs, ['oauth_signature', signature]].map(([k, v]) => `${k}="${percentEncode(v!)}"`).join(', ')}`;
      expect((await send('/api/issues', header)).status).to.equal(200);
    });

    // without: scopes.within in findSigner.
    it('reaches what the grant covers, and no further', async () => {
      const { status, json } = await get('/api/wiki');
      expect([status, json.code]).to.deep.equal([403, 'insufficient_scope']);
    });

    it('without a token acts for the consumer’s owner, in the consumer’s context', async () => {
      const { status, json } = await client.call('GET', '/api/in/acme/issues');
      expect(status).to.equal(200);
      expect(json.caller).to.deep.include({ context: 'acme', scopes: ['issue'] });
      expect(json.caller.user).to.equal(undefined);
      expect((await client.call('GET', '/api/in/elsewhere/issues')).status).to.equal(403);
    });

    it('takes an empty token for none', async () => {
      const token = { key: '', secret: '' };
      expect((await client.call('GET', '/api/in/acme/issues', { token })).status).to.equal(200);
    });
  });

  describe('a request token', () => {
    it('may be asked for with a form, or by GET with a query', async () => {
      const path = `${ENDPOINTS}/request_token`;
      const data = { oauth_callback: CALLBACK };
      const form = { ...data, ...client.authorize('POST', path, { data }) } as object;
      credentialsOf(
        await running.request('POST', path, { body: new URLSearchParams({ ...form }) }),
      );
      const query = { ...data, ...client.authorize('GET', path, { data }) } as object;
      credentialsOf(await running.request('GET', `${path}?${new URLSearchParams({ ...query })}`));
    });

    // without: isRegistered.
    const callbacks: [title: string, callback: string, code: string][] = [
      ['another address', 'https://evil.example/callback', 'parameter_rejected'],
      ['a path below', `${CALLBACK}/x`, 'parameter_rejected'],
      ['a query', `${CALLBACK}?x=1`, 'parameter_rejected'],
      ['OOB in capitals', 'OOB', 'parameter_rejected'],
      ['an empty one', '', 'parameter_absent'],
    ];
    for (const [title, callback, code] of callbacks) {
      it(`is not given for a callback that is ${title}`, async () => {
        expect(refusal(await client.requestToken(callback))).to.deep.equal([400, code]);
      });
    }

    it('is not given without a callback, nor for a token', async () => {
      const path = `${ENDPOINTS}/request_token`;
      expect(refusal(await client.call('POST', path))).to.deep.equal([400, 'parameter_absent']);
      const signing = { token: { key: 'mto_x', secret: 'x' } };
      expect(refusal(await client.requestToken(CALLBACK, signing))).to.deep.equal([
        400,
        'parameter_rejected',
      ]);
    });

    it('is refused to a wrong secret', async () => {
      const stranger = new Oauth1Client(running, { ...consumer, clientSecret: 'wrong' });
      expect(refusal(await stranger.requestToken(CALLBACK))).to.deep.equal([
        401,
        'signature_invalid',
      ]);
    });

    // without: the check of use.run and used_at in exchange.
    it('is exchanged once', async () => {
      const { requested, verifier } = await allowed();
      const answers = await Promise.all(
        Array.from({ length: 8 }, () => client.accessToken(requested, verifier)),
      );
      expect(answers.filter(({ status }) => status === 200)).to.have.length(1);
      expect(refusal(await client.accessToken(requested, verifier))).to.deep.equal([
        401,
        'token_rejected',
      ]);
    });

    // without: the comparison of the token's consumer, in openTokenSecret and in exchange.
    it('is not another consumer’s, and not used up by its trying', async () => {
      const { requested, verifier } = await allowed();
      expect(refusal(await other.accessToken(requested, verifier))).to.deep.equal([
        401,
        'token_rejected',
      ]);
      credentialsOf(await client.accessToken(requested, verifier));
    });

    it('is worth nothing before a user has allowed it', async () => {
      const requested = await client.freshRequestToken(CALLBACK);
      expect(refusal(await client.accessToken(requested, 'x'))).to.deep.equal([
        401,
        'token_rejected',
      ]);
    });

    it('is not exchanged without a verifier', async () => {
      const { requested } = await allowed();
      const path = `${ENDPOINTS}/access_token`;
      expect(refusal(await client.call('POST', path, { token: requested }))).to.deep.equal([
        400,
        'parameter_absent',
      ]);
    });

    // without: verifierHash.equals in exchange.
    it('has its own verifier only', async () => {
      const [first, second] = [await allowed(), await allowed()];
      expect(refusal(await client.accessToken(first.requested, second.verifier))).to.deep.equal([
        401,
        'verifier_invalid',
      ]);
      credentialsOf(await client.accessToken(first.requested, first.verifier));
    });

    // without: mostWrongVerifiers.
    it('is dead after three wrong verifiers', async () => {
      const { requested, verifier } = await allowed();
      for (const wrong of ['a', 'b', 'c']) {
        expect(refusal(await client.accessToken(requested, wrong))[1]).to.equal('verifier_invalid');
      }
      expect(refusal(await client.accessToken(requested, verifier))).to.deep.equal([
        401,
        'token_rejected',
      ]);
    });

    // without: expires_at in findRequestToken and in exchange.
    it('lives ten minutes', async () => {
      const { requested, verifier } = await allowed();
      aheadMs = 9.9 * 60_000;
      const unanswered = await client.freshRequestToken(CALLBACK, { timestamp: now() });
      aheadMs = 10.1 * 60_000;
      expect(
        refusal(await client.accessToken(requested, verifier, { timestamp: now() })),
      ).to.deep.equal([401, 'token_rejected']);
      aheadMs = 20 * 60_000;
      const page = await alice.get(`${ENDPOINTS}/authenticate?oauth_token=${unanswered.key}`);
      expect(page.status).to.equal(400);
    });

    // without: grant.until in exchange.
    it('dies with the grant it was allowed under', async () => {
      const mine = new Oauth1Client(running, await registerConsumer(running, { oauth1: true }));
      const { requested, verifier } = await allowed(mine);
      await revoke(alice, mine.consumer.clientId);
      expect(refusal(await mine.accessToken(requested, verifier))).to.deep.equal([
        401,
        'token_rejected',
      ]);
    });
  });

  describe('the question', () => {
    // without: requestToken.isAllowed; deny.
    it('is refused for a token that is unknown, allowed or denied', async () => {
      const { requested } = await allowed();
      const denied = await client.freshRequestToken(CALLBACK);
      await answerConsent(alice, denied, { answer: 'deny' });
      for (const key of ['mtq_x', '', requested.key, denied.key]) {
        const page = await alice.get(`${ENDPOINTS}/authenticate?oauth_token=${key}`);
        expect([page.status, page.location]).to.deep.equal([400, null]);
      }
      expect((await alice.get(`${ENDPOINTS}/authenticate`)).status).to.equal(400);
    });

    it('tells the consumer of a denial', async () => {
      const requested = await client.freshRequestToken(CALLBACK);
      const { location } = await answerConsent(alice, requested, { answer: 'deny' });
      const { searchParams } = new URL(location!);
      expect(searchParams.get('oauth_problem')).to.equal('permission_denied');
      expect(searchParams.get('oauth_verifier')).to.equal(null);
      expect(refusal(await client.accessToken(requested, 'x'))).to.deep.equal([
        401,
        'token_rejected',
      ]);
    });

    // without: requireOwnForm.
    it('is answered once, by the user and in the browser it was shown to', async () => {
      const door = `${ENDPOINTS}/authenticate`;
      const { key } = await client.freshRequestToken(CALLBACK);
      const page = await alice.get(`${door}?oauth_token=${key}`);
      const bob = await signedIn('bob');
      const { csrf } = (await bob.get(`${door}?oauth_token=${key}`)).hidden;
      const stolen = { consent: page.hidden.consent!, csrf: csrf!, answer: 'allow' };
      expect((await bob.post(door, stolen)).status).to.equal(400);
      const answer = { ...page.hidden, answer: 'allow' };
      expect((await alice.post(door, { ...answer, csrf: 'x' })).status).to.equal(403);
      expect((await alice.post(door, answer)).status).to.equal(303);
      expect((await alice.post(door, answer)).status).to.equal(400);
    });

    // without: verifier_hash IS NULL in allow.
    it('has one answer, whoever else it was shown to', async () => {
      const door = `${ENDPOINTS}/authenticate`;
      const { key } = await client.freshRequestToken(CALLBACK);
      const bob = await signedIn('bob');
      const pages = [alice, bob].map((browser) => browser.get(`${door}?oauth_token=${key}`));
      const [hers, his] = await Promise.all(pages);
      expect((await alice.post(door, { ...hers!.hidden, answer: 'allow' })).status).to.equal(303);
      expect((await bob.post(door, { ...his!.hidden, answer: 'allow' })).status).to.equal(400);
    });

    // without: request?.kind !== kind.
    it('is not answered at the door of OAuth 2', async () => {
      const { key } = await client.freshRequestToken(CALLBACK);
      const page = await alice.get(`${ENDPOINTS}/authenticate?oauth_token=${key}`);
      const answer = { ...page.hidden, answer: 'allow' };
      expect((await alice.post('/oauth2/authorize', answer)).status).to.equal(400);
    });

    it('is not put to a closed account, nor its answer taken', async () => {
      const products = await startHost({ currentUser: () => ({ id: 'carol' }) });
      try {
        const theirs = new Oauth1Client(
          products,
          await registerConsumer(products, { oauth1: true }),
        );
        const carol = new Browser(products);
        const door = `${ENDPOINTS}/authenticate`;
        const { key } = await theirs.freshRequestToken(CALLBACK);
        const page = await carol.get(`${door}?oauth_token=${key}`);
        expect(page.status).to.equal(200);
        await products.operator('POST', '/users/carol/deactivate');
        // without: isDeactivated in takeConsent.
        expect((await carol.post(door, { ...page.hidden, answer: 'allow' })).status).to.equal(403);
        // without: isDeactivated in authenticate.
        expect((await carol.get(`${door}?oauth_token=${key}`)).status).to.equal(403);
      } finally {
        await products.stop();
      }
    });

    it('shows the verifier where the callback is oob, and nothing to redirect to', async () => {
      const requested = await client.freshRequestToken('oob');
      const done = await answerConsent(alice, requested);
      expect([done.status, done.location]).to.deep.equal([200, null]);
      const [, verifier] = /<code class="secret">([2-9a-z]{16})<\/code>/.exec(done.text)!;
      credentialsOf(await client.accessToken(requested, verifier!));
      const denied = await client.freshRequestToken('oob');
      expect((await answerConsent(alice, denied, { answer: 'deny' })).text).to.include(
        'got no access',
      );
    });

    it('puts the answer behind what the callback has already', async () => {
      const redirectUris = ['https://client.example/cb?a=%7E&b=1+2'];
      const mine = new Oauth1Client(
        running,
        await registerConsumer(running, { oauth1: true, redirectUris }),
      );
      const requested = await mine.freshRequestToken(redirectUris[0]!);
      const { location } = await answerConsent(alice, requested);
      expect(location).to.match(
        /^https:\/\/client\.example\/cb\?a=%7E&b=1\+2&oauth_token=mtq_[^&]+&oauth_verifier=[2-9a-z]{16}$/,
      );
    });
  });

  /** As the access management page does. */
  async function revoke(browser: Browser, clientId: string, what = 'grant'): Promise<void> {
    const { json } = await running.operator('GET', '/grants?user=alice');
    const grant = json.items.find((item: { clientId: string }) => item.clientId === clientId).id;
    const { hidden } = await browser.get('/account/authorizations');
    const form = { csrf: hidden.csrf!, grant, revoke: what };
    expect((await browser.post('/account/authorizations', form)).status).to.equal(303);
  }

  // without: grant.until in findSigner.
  it('ends in the moment the user takes the grant back', async () => {
    const mine = new Oauth1Client(running, await registerConsumer(running, { oauth1: true }));
    const token = await mine.threeLegs(alice, CALLBACK);
    expect((await mine.call('GET', '/api/issues', { token })).status).to.equal(200);
    await revoke(alice, mine.consumer.clientId);
    expect(refusal(await mine.call('GET', '/api/issues', { token }))).to.deep.equal([
      401,
      'token_rejected',
    ]);
  });

  it('lives on when the grant is renewed, and ends when the consumer is deleted', async () => {
    const mine = new Oauth1Client(running, await registerConsumer(running, { oauth1: true }));
    const first = await mine.threeLegs(alice, CALLBACK);
    const second = await mine.threeLegs(alice, CALLBACK);
    for (const token of [first, second]) {
      expect((await mine.call('GET', '/api/issues', { token })).status).to.equal(200);
    }
    await running.operator('DELETE', `/consumers/${mine.consumer.clientId}`);
    expect(refusal(await mine.call('GET', '/api/issues', { token: first }))).to.deep.equal([
      401,
      'consumer_key_unknown',
    ]);
  });

  // without: previous.until in prove.
  it('takes the old consumer secret for a day after a new one was made, and then no more', async () => {
    const { clientId, clientSecret } = await registerConsumer(running, { oauth1: true });
    const { json } = await running.operator('PATCH', `/consumers/${clientId}`, {
      rotateSecret: true,
    });
    const before = new Oauth1Client(running, { clientId, clientSecret });
    const since = new Oauth1Client(running, { clientId, clientSecret: json.clientSecret });
    expect((await before.call('GET', '/api/issues')).status).to.equal(200);
    expect((await since.call('GET', '/api/issues')).status).to.equal(200);
    aheadMs = 25 * 3_600_000;
    const timestamp = now();
    expect(refusal(await before.call('GET', '/api/issues', { timestamp }))).to.deep.equal([
      401,
      'signature_invalid',
    ]);
    expect((await since.call('GET', '/api/issues', { timestamp })).status).to.equal(200);
  });

  it('is not for public consumers: they have nothing to sign with', async () => {
    const { status, json } = await running.operator('POST', '/consumers', {
      name: 'Phone',
      owner: 'acme',
      public: true,
      oauth1: true,
    });
    expect([status, json.code]).to.deep.equal([422, 'consumer_invalid']);
  });

  describe('a consumer from before scopes existed', () => {
    // without: hasAllAccess in findSigner.
    it('says so to the user, and reaches everything', async () => {
      const requested = await old.freshRequestToken(CALLBACK);
      const page = await alice.get(`${ENDPOINTS}/authenticate?oauth_token=${requested.key}`);
      expect(page.text).to.include('Registered before scopes existed');
      const token = await old.threeLegs(alice, CALLBACK);
      for (const path of ['/api/issues', '/api/wiki']) {
        expect((await old.call('GET', path, { token })).status).to.equal(200);
        expect((await old.call('GET', path)).status).to.equal(200);
      }
      expect((await alice.get('/account/authorizations')).text).to.include(
        'Registered before scopes existed',
      );
    });

    it('leaves none of its secrets in the database as they are', async () => {
      const requested = await old.freshRequestToken(CALLBACK);
      const { location } = await answerConsent(alice, requested);
      const verifier = new URL(location!).searchParams.get('oauth_verifier')!;
      const token = credentialsOf(await old.accessToken(requested, verifier));
      expect((await old.call('GET', '/api/issues', { token })).status).to.equal(200);
      const written = await bytesInside(running.database);
      expect(written.includes('old-consumer')).to.equal(true);
      for (const secret of [
        ...Object.values(requested),
        ...Object.values(token),
        verifier,
        old.consumer.clientSecret!,
      ]) {
        expect(written.includes(secret)).to.equal(false);
      }
    });

    // without: isNarrowed.
    it('does not reach what the user took back', async () => {
      const mine = new Oauth1Client(running, await importOld('narrowed-consumer'));
      const token = await mine.threeLegs(alice, CALLBACK);
      await revoke(alice, 'narrowed-consumer', 'scope.wiki');
      expect((await mine.call('GET', '/api/wiki', { token })).status).to.equal(403);
      expect((await mine.call('GET', '/api/issues', { token })).status).to.equal(200);
    });
  });

  describe('upgrading a consumer to OAuth 2', () => {
    // without: closesOauth1 in the store; usedScopes.note in the guard.
    it('names its scopes, closes OAuth 1, and says what it really used', async () => {
      const mine = new Oauth1Client(running, await importOld('upgraded-consumer'));
      const token = await mine.threeLegs(alice, CALLBACK);
      const requested = await mine.freshRequestToken(CALLBACK);
      await mine.call('GET', '/api/wiki', { token });
      await mine.call('GET', '/api/issues');
      const upgrade = await running.operator('POST', '/consumers/upgraded-consumer/upgrade', {
        scopes: ['issue:write'],
      });
      expect(upgrade.status, upgrade.text).to.equal(200);
      expect(upgrade.json).to.deep.include({
        clientId: 'upgraded-consumer',
        scopes: ['issue:write'],
        grandfathered: false,
        oauth1: false,
      });
      expect(upgrade.json.usedScopes).to.deep.equal([
        { scope: 'issue', lastUsedAt: upgrade.json.usedScopes[0].lastUsedAt, covered: true },
        { scope: 'wiki', lastUsedAt: upgrade.json.usedScopes[1].lastUsedAt, covered: false },
      ]);
      expect(upgrade.text).not.to.include('old secret');
      for (const answer of [
        await mine.call('GET', '/api/issues', { token }),
        await mine.call('GET', '/api/issues'),
        await mine.requestToken(CALLBACK),
      ]) {
        expect(refusal(answer)).to.deep.equal([401, 'consumer_key_unknown']);
      }
      const page = await alice.get(`${ENDPOINTS}/authenticate?oauth_token=${requested.key}`);
      expect(page.status).to.equal(400);
      const bearer = await token2('upgraded-consumer');
      expect(bearer.json.scope).to.equal('issue:write');
      const headers = { authorization: `Bearer ${bearer.json.access_token}` };
      expect((await running.request('GET', '/api/issues', { headers })).status).to.equal(200);
      expect((await running.request('GET', '/api/wiki', { headers })).status).to.equal(403);
    });

    const token2 = (clientId: string) =>
      token(
        running,
        { clientId, clientSecret: encodeURIComponent('old secret&+*~') },
        { grant_type: 'client_credentials' },
      );

    it('needs scopes that exist, and a consumer that does', async () => {
      const path = `/consumers/${old.consumer.clientId}/upgrade`;
      const upgrade = (body: unknown, at = path) => running.operator('POST', at, body);
      expect((await upgrade({})).status).to.equal(422);
      expect((await upgrade({ scopes: null })).status).to.equal(422);
      expect((await upgrade({ scopes: ['nothing'] })).json.code).to.equal('scope_unknown');
      expect((await upgrade({ scopes: [] }, '/consumers/nobody/upgrade')).status).to.equal(404);
      expect((await old.call('GET', '/api/issues')).status).to.equal(200);
    });
  });
});
