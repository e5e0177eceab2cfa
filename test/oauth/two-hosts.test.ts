// Two hosts on one PostgreSQL database, as replicas behind one address: what is used at both is used once, and what one
// answers holds at the other in the next moment.
//
// Seen red with checks of tokens that are kept for 200 ms, with the locks of store/postgres/authorization.ts taken out, and
// with used_at IS NULL out of take in consents.ts.
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
import { rowsInside } from '../helpers/inside-database.ts';
import { migratedDatabase } from '../helpers/postgres.ts';
import { type Answer, type RunningHost, startHost } from '../helpers/start-host.ts';
import { until } from '../helpers/until.ts';

const AT_ONCE = 8;

describe('two hosts on one PostgreSQL database', () => {
  let hosts: [RunningHost, RunningHost];
  let database: string;
  let consumer: TestConsumer;

  before(async () => {
    database = await migratedDatabase();
    const start = () =>
      startHost({
        database,
        paused: true,
        product(host, app) {
          app.use(host.guard('issue'));
          app.use((ctx) => {
            ctx.body = 'in';
          });
        },
      });
    hosts = [await start(), await start()];
  });
  beforeEach(async () => {
    consumer = await registerConsumer(hosts[0]);
  });
  after(() => Promise.all(hosts.map((host) => host.stop())));

  const atBoth = (ask: (host: RunningHost, i: number) => Promise<Answer>) =>
    Promise.all(Array.from({ length: AT_ONCE }, (_, i) => ask(hosts[i % 2]!, i)));

  const guarded = async (host: RunningHost, bearer: string) =>
    (await host.request('GET', '/guarded', { headers: { authorization: `Bearer ${bearer}` } }))
      .status;

  const refresh = (host: RunningHost, refreshToken: string, by = consumer) =>
    token(host, by, { grant_type: 'refresh_token', refresh_token: refreshToken });

  /** Of those who asked, the one who was given something; the others were told `error`. */
  function winnerOf(answers: Answer[], error = 'invalid_grant'): Tokens {
    const given = answers.filter(({ status }) => status === 200);
    const refused = answers.filter(({ status, json }) => status === 400 && json.error === error);
    expect([given.length, refused.length]).to.deep.equal([1, AT_ONCE - 1]);
    return given[0]!.json;
  }

  async function expectEverywhere(bearer: string, status: number): Promise<void> {
    for (const host of hosts) expect(await guarded(host, bearer)).to.equal(status);
  }

  it('redeem a code once; used again, it ends what it gave, at both', async () => {
    const browser = new Browser(hosts[0]);
    await browser.signIn('alice');
    for (let round = 0; round < 6; round++) {
      const path = authorizePath(consumer, { prompt: 'consent' });
      const code = (await consent(browser, path)).get('code')!;
      const parameters = { grant_type: 'authorization_code', code, redirect_uri: CALLBACK };
      const winner = winnerOf(await atBoth((host) => token(host, consumer, parameters)));
      await expectEverywhere(winner.access_token, 401);
      for (const host of hosts)
        expect((await refresh(host, winner.refresh_token)).status).to.equal(400);
    }
  });

  it('rotate a refresh token once, and take the others for the same client in a hurry', async () => {
    const { tokens } = await tokensOfAlice(hosts[0], consumer);
    const winner = winnerOf(await atBoth((host) => refresh(host, tokens.refresh_token)));
    for (const bearer of [tokens.access_token, winner.access_token])
      await expectEverywhere(bearer, 200);
    expect((await refresh(hosts[1], winner.refresh_token)).status).to.equal(200);
  });

  it('end the family of a public client whose refresh token was used at both', async () => {
    const phone = await registerConsumer(hosts[0], { public: true, scopes: ['issue'] });
    const { verifier, challenge } = pkce();
    const browser = new Browser(hosts[1]);
    await browser.signIn('alice');
    const path = authorizePath(phone, { code_challenge: challenge, code_challenge_method: 'S256' });
    const code = (await consent(browser, path)).get('code')!;
    const { json: first } = await token(hosts[1], phone, {
      ...{ grant_type: 'authorization_code', code, redirect_uri: CALLBACK },
      code_verifier: verifier,
    });
    await expectEverywhere(first.access_token, 200);
    const winner = winnerOf(await atBoth((host) => refresh(host, first.refresh_token, phone)));
    for (const bearer of [first.access_token, winner.access_token])
      await expectEverywhere(bearer, 401);
  });

  it('take one answer to a question', async () => {
    const browser = new Browser(hosts[0]);
    await browser.signIn('alice');
    const { hidden } = await browser.get(authorizePath(consumer));
    const cookie = [...browser.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const answers = await atBoth((host) =>
      host.request('POST', '/oauth2/authorize', {
        headers: { cookie, origin: host.url },
        body: new URLSearchParams({ ...hidden, answer: 'allow' }),
      }),
    );
    const given = answers.filter(({ status }) => status === 303);
    expect(given).to.have.length(1);
    for (const { status, text } of answers.filter((one) => !given.includes(one))) {
      expect(status).to.equal(400);
      expect(text).to.include('answered already');
    }
    const codes = await rowsInside(
      database,
      `SELECT 1 FROM oauth_codes WHERE client_id = '${consumer.clientId}'`,
    );
    expect(codes).to.have.length(1);
    const code = new URL(given[0]!.headers.get('location')!).searchParams.get('code')!;
    const parameters = { grant_type: 'authorization_code', code, redirect_uri: CALLBACK };
    expect((await token(hosts[1], consumer, parameters)).status).to.equal(200);
  });

  describe('accept no token at one after the answer of the other', () => {
    const revocation = (given: string) =>
      token(hosts[0], consumer, { token: given }, '/oauth2/revoke');
    const ways: Record<string, (tokens: Tokens) => Promise<{ status: number }>> = {
      'to its revocation': ({ access_token }) => revocation(access_token),
      'to the revocation of its refresh token': ({ refresh_token }) => revocation(refresh_token),
      'to the end of its consumer': () =>
        hosts[0].operator('DELETE', `/consumers/${consumer.clientId}`),
      'that its user is deactivated': () => hosts[0].operator('POST', '/users/alice/deactivate'),
    };
    for (const [way, revoke] of Object.entries(ways)) {
      it(way, async () => {
        const { tokens } = await tokensOfAlice(hosts[0], consumer);
        const before: number[] = [];
        const after: number[] = [];
        let isRevoked = false;
        const caller = async () => {
          while (after.length < 40) {
            const answers = isRevoked ? after : before;
            answers.push(await guarded(hosts[1], tokens.access_token));
          }
        };
        const callers = Promise.all(Array.from({ length: 6 }, caller));
        await until(() => before.length > 20, 'calls to pass');
        const { status } = await revoke(tokens);
        isRevoked = true;
        expect(status).to.be.oneOf([200, 204]);
        await callers;
        expect(before.slice(0, 20)).to.deep.equal(Array(20).fill(200));
        expect(new Set(after)).to.deep.equal(new Set([401]));
      });
    }
  });
});
