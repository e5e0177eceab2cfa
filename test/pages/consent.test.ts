import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { sha256 } from '../../src/core/secrets.ts';
import { authorizePath, registerConsumer, type TestConsumer, token } from '../helpers/consumer.ts';
import { type RunningHost, startHost } from '../helpers/start-host.ts';
import { launchChromium, openContext, signIn } from './chromium.ts';
import { directory } from './place.ts';

describe('consent in a browser without scripts', function () {
  this.timeout(60_000);
  let running: RunningHost;
  let browser: Browser | undefined;
  let context: BrowserContext;
  let page: Page;
  let consumer: TestConsumer;
  let client: Server;
  let callback: string;

  before(async function () {
    browser = await launchChromium();
    if (!browser) return this.skip();
    running = await startHost({ directory });
    client = createServer((_, response) => response.end('Back.')).listen(0, '127.0.0.1');
    await new Promise((resolve) => client.once('listening', resolve));
    callback = `http://127.0.0.1:${(client.address() as AddressInfo).port}/callback`;
  });
  after(async () => {
    await browser?.close();
    client?.close();
    await running?.stop();
  });
  beforeEach(async () => {
    consumer = await registerConsumer(running, { name: 'Build lights', redirectUris: [callback] });
    context = await openContext(browser!, running);
    page = await context.newPage();
  });
  afterEach(() => context?.close());

  const ask = () =>
    authorizePath(consumer, {
      redirect_uri: callback,
      scope: 'repository',
      optional_scope: 'issue email',
    });

  async function tokenOfAnswer(): Promise<string> {
    await page.waitForURL(`${callback}?**`);
    const code = new URL(page.url()).searchParams.get('code')!;
    const { status, json, text } = await token(running, consumer, {
      grant_type: 'authorization_code',
      code,
      redirect_uri: callback,
    });
    expect(status, text).to.equal(200);
    return json.access_token;
  }

  async function introspect(bearer: string) {
    const { clientId, clientSecret } = consumer;
    const basic = Buffer.from(`${clientId}:${clientSecret}`).toString('base64');
    const { json } = await running.request('POST', '/oauth2/introspect', {
      headers: { authorization: `Basic ${basic}` },
      body: new URLSearchParams({ token: bearer }),
    });
    return json;
  }

  const resourcesOf = async (bearer: string) =>
    (await running.host.parts.store.tokens.check(sha256(bearer)))?.resources;

  it('leads from sign-in through what is allowed to a limited token, and its end', async () => {
    await page.goto(ask());
    await page.getByRole('button', { name: 'Sign in' }).click();
    expect(await page.getByRole('heading', { level: 1 }).textContent()).to.equal(
      'Build lights asks for access to your account',
    );
    await page.getByLabel(/See e-mail addresses/).uncheck();
    await page.getByLabel('Only these:').check();
    await page.getByLabel('acme/site').check();
    await page.getByRole('button', { name: 'Allow' }).click();

    const bearer = await tokenOfAnswer();
    const told = await introspect(bearer);
    expect(told.active).to.equal(true);
    expect(told.scope.split(' ')).to.have.members(['repository', 'issue']);
    expect(await resourcesOf(bearer)).to.deep.equal(['acme/site']);

    await page.goto('/account/authorizations');
    const granted = page.locator('form.card', { hasText: 'Build lights' });
    expect(await granted.textContent())
      .to.include('acme/site')
      .and.not.include('e-mail');
    await granted.getByRole('button', { name: 'Revoke Build lights' }).click();
    expect(await page.getByRole('status').textContent()).to.include('taken back');
    expect(await introspect(bearer)).to.deep.equal({ active: false });
  });

  it('takes back one permission and leaves the rest', async () => {
    await signIn(page);
    await page.goto(ask());
    await page.getByRole('button', { name: 'Allow' }).click();
    const bearer = await tokenOfAnswer();
    await page.goto('/account/authorizations');
    const one = page.locator('form.card', { hasText: 'Build lights' }).first();
    await one.getByRole('button', { name: 'Revoke issue of Build lights' }).click();
    expect((await introspect(bearer)).scope.split(' ')).to.have.members(['repository', 'email']);
    for (;;) {
      await page.goto('/account/authorizations');
      const rest = page.getByRole('button', { name: /^Revoke Build lights$/ });
      if ((await rest.count()) === 0) break;
      await rest.first().click();
    }
    expect(await page.locator('main').textContent()).to.include('No application has access');
  });

  it('is done with the keyboard alone', async () => {
    await signIn(page);
    await page.goto(ask());
    const press = async (key: string, times = 1) => {
      for (let i = 0; i < times; i++) await page.keyboard.press(key);
    };
    const focused = () =>
      page.evaluate('document.activeElement.name + "=" + document.activeElement.value');
    const tabTo = async (wanted: string) => {
      for (let i = 0; i < 30; i++) {
        await press('Tab');
        if ((await focused()) === wanted) return;
      }
      throw new Error(`Tab never came to ${wanted}`);
    };
    await tabTo('scope.email=on');
    await press('Space');
    await tabTo('where=all');
    await press('ArrowDown');
    expect(await focused()).to.equal('where=chosen');
    await tabTo('resource.acme/site=on');
    await press('Space');
    await tabTo('answer=allow');
    await press('Enter');
    const bearer = await tokenOfAnswer();
    expect((await introspect(bearer)).scope.split(' ')).to.have.members(['repository', 'issue']);
    expect(await resourcesOf(bearer)).to.deep.equal(['acme/site']);
  });

  it('shows a list of resources only where it counts', async () => {
    await signIn(page);
    await page.goto(ask());
    expect(await page.getByLabel('acme/site').isVisible()).to.equal(false);
    await page.getByLabel('Only these:').check();
    expect(await page.getByLabel('acme/site').isVisible()).to.equal(true);
  });

  it('lets no name reorder the sentence it stands in, or add to it', async () => {
    consumer = await registerConsumer(running, {
      name: 'Evil\u202egnihtyreve\u2066 <b>app',
      redirectUris: [callback],
    });
    await signIn(page);
    await page.goto(ask());
    const heading = page.getByRole('heading', { level: 1 });
    expect(await heading.textContent()).to.equal(
      'Evil\ufffdgnihtyreve\ufffd <b>app asks for access to your account',
    );
    expect(await heading.locator('bdi').count()).to.equal(1);
    expect(await page.title()).not.to.match(/[\u202e\u2066]/);
  });

  it('goes back with a denial', async () => {
    await signIn(page);
    await page.goto(ask());
    await page.getByRole('button', { name: 'Deny' }).click();
    await page.waitForURL(`${callback}?**`);
    expect(new URL(page.url()).searchParams.get('error')).to.equal('access_denied');
  });
});
