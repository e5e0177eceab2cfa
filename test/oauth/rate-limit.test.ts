// Seen red: with the limit taken out; with right credentials refused while it lasts.
import { expect } from 'chai';
import { Browser } from '../helpers/browser.ts';
import { authorizePath, registerConsumer, type TestConsumer, token } from '../helpers/consumer.ts';
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

  const guess = () =>
    token(running, { ...consumer, clientSecret: 'wrong' }, { grant_type: 'client_credentials' });

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
