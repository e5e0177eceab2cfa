// Seen red: with the limit taken out; with right credentials refused while it lasts.
import { request } from 'node:http';
import { expect } from 'chai';
import { addonClaims, forgeJwt, hmac } from '../attacks/attacked-host.ts';
import { Browser } from '../helpers/browser.ts';
import { authorizePath, registerConsumer, type TestConsumer, token } from '../helpers/consumer.ts';
import { installAddon } from '../helpers/installed-addon.ts';
import { type RunningHost, startHost } from '../helpers/start-host.ts';

describe('a flood', () => {
  let running: RunningHost;
  let consumer: TestConsumer;
  let now: number;

  beforeEach(async () => {
    now = Date.now();
    running = await startHost({ clock: { now: () => now } });
    consumer = await registerConsumer(running);
  });
  afterEach(() => running.stop());

  /** At another client each time: what is counted is the address. */
  let guesses = 0;
  const guess = () =>
    token(
      running,
      { clientId: `mcc_${guesses++}`, clientSecret: 'wrong' },
      { grant_type: 'client_credentials' },
    );

  it('of guesses at the token endpoint is told to wait, and locks nobody out', async () => {
    const statuses = [];
    for (let i = 0; i < 70; i++) statuses.push((await guess()).status);
    expect(statuses.slice(0, 60)).to.satisfy((all: number[]) =>
      all.every((status) => status === 401),
    );
    expect(statuses.slice(60)).to.satisfy((all: number[]) => all.every((status) => status === 429));
    const slowed = await guess();
    expect(Number(slowed.headers.get('retry-after'))).to.be.within(1, 60);
    expect((await token(running, consumer, { grant_type: 'client_credentials' })).status).to.equal(
      200,
    );
    now += 61_000;
    expect((await guess()).status).to.equal(401);
  });

  /** From an address of its own, of this machine's loopback network. */
  const from = (address: string, path: string, authorization: string) =>
    new Promise<number>((resolve, reject) => {
      const { hostname, port } = new URL(running.url);
      const headers = { authorization, 'content-type': 'application/x-www-form-urlencoded' };
      const options = { hostname, port, path, method: 'POST', localAddress: address, headers };
      const sent = request(options, (response) => {
        response.resume();
        response.on('end', () => resolve(response.statusCode!));
      });
      sent.on('error', reject);
      sent.end('grant_type=client_credentials&token=x');
    });
  const basic = (id: string, secret: string) =>
    `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`;

  // Seen red: without the count per client (scripts/mutants).
  it('of guesses at one client from many addresses is told to wait, whichever endpoint it tries', async () => {
    const paths = ['/oauth2/token', '/site/oauth2/access_token', '/oauth2/introspect'];
    const wrong = basic(consumer.clientId, 'wrong');
    const statuses = [];
    for (let i = 0; i < 70; i++)
      statuses.push(await from(`127.0.1.${i + 1}`, paths[i % 3]!, wrong));
    expect(new Set(statuses.slice(0, 60))).to.deep.equal(new Set([401]));
    expect(new Set(statuses.slice(60))).to.deep.equal(new Set([429]));

    const other = await registerConsumer(running);
    expect(await from('127.0.2.1', paths[0]!, basic(other.clientId, 'wrong'))).to.equal(401);
    const right = basic(consumer.clientId, consumer.clientSecret!);
    expect(await from('127.0.2.1', paths[0]!, right)).to.equal(200);
    expect(await from('127.0.1.1', paths[0]!, right)).to.equal(200);
    now += 61_000;
    expect(await from('127.0.2.1', paths[0]!, wrong)).to.equal(401);
  });

  it('of JWTs for one installation from many addresses is told to wait as well', async () => {
    const { addon, payload, token: tokenOf } = await installAddon(running);
    const forged = (i: number) =>
      `JWT ${forgeJwt({ alg: 'HS256' }, { ...addonClaims(payload, 'POST', '/oauth2/token'), jti: i }, hmac('wrong'))}`;
    const statuses = [];
    for (let i = 0; i < 65; i++)
      statuses.push(await from(`127.0.3.${i + 1}`, '/oauth2/token', forged(i)));
    expect(new Set(statuses.slice(0, 60))).to.deep.equal(new Set([401]));
    expect(new Set(statuses.slice(60))).to.deep.equal(new Set([429]));
    expect(await tokenOf()).to.be.a('string');
    await addon.stop();
  });

  it('of questions to one user is stopped for that user alone', async () => {
    const alice = new Browser(running);
    await alice.signIn('alice');
    let last = 200;
    for (let i = 0; i < 61; i++) last = (await alice.get(authorizePath(consumer))).status;
    expect(last).to.equal(429);
    const bob = new Browser(running);
    await bob.signIn('bob');
    expect((await bob.get(authorizePath(consumer))).status).to.equal(200);
  });
});
