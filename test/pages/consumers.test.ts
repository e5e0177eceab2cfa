import { expect } from 'chai';
import type { BrowserContext, Browser as Chromium, Page } from 'playwright-core';
import { Browser } from '../helpers/browser.ts';
import { registerConsumer, token } from '../helpers/consumer.ts';
import { type RunningHost, startHost } from '../helpers/start-host.ts';
import { launchChromium, openContext, signIn } from './chromium.ts';
import { directory, isOperator } from './place.ts';

describe('a user’s consumers', () => {
  let running: RunningHost;

  before(async () => {
    running = await startHost({ directory, isOperator });
  });
  after(() => running.stop());

  const tokenStatus = async (clientId: string, clientSecret: string) =>
    (await token(running, { clientId, clientSecret }, { grant_type: 'client_credentials' })).status;

  describe('in a browser without scripts', function () {
    this.timeout(60_000);
    let browser: Chromium | undefined;
    let context: BrowserContext;
    let page: Page;

    before(async function () {
      browser = await launchChromium();
      if (!browser) return this.skip();
    });
    after(() => browser?.close());
    beforeEach(async () => {
      context = await openContext(browser!, running);
      page = await context.newPage();
      await signIn(page, 'alice', '/account/consumers');
    });
    afterEach(() => context?.close());

    const press = (name: string) => page.getByRole('button', { name }).click();
    const credentials = () => page.locator('code.secret').allTextContents();

    async function register(name: string): Promise<string[]> {
      await page.goto('/account/consumers/new');
      await page.getByLabel(/^Name/).fill(name);
      await page.getByLabel(/Read your repositories and their history/).check();
      await press('Register');
      return credentials();
    }

    it('begin with a page that says what they are', async () => {
      expect(await page.locator('main').textContent()).to.include('no consumer yet');
      await page.getByRole('link', { name: 'Register a consumer' }).click();
      expect(await page.getByLabel('Belongs to').locator('option').allTextContents()).to.deep.equal(
        ['Acme', 'Alice’s own'],
      );
    });

    it('are registered with a secret that is shown once and works', async () => {
      const [clientId, secret] = await register('Dashboard');
      expect(clientId).to.match(/^mcc_/);
      expect(await tokenStatus(clientId!, secret!)).to.equal(200);
      await page.getByRole('link', { name: 'I have copied it' }).click();
      expect(await page.locator('main').textContent()).to.include('Dashboard');
      expect(await page.content()).not.to.include(secret);
      await page.getByRole('link', { name: 'Dashboard' }).click();
      expect(await page.content()).not.to.include(secret);
    });

    it('may be public: then there is no secret', async () => {
      await page.goto('/account/consumers/new');
      await page.getByLabel(/^Public/).check();
      await page.getByLabel(/^Name/).fill('Phone app');
      await page.getByLabel(/^Redirect URIs/).fill('com.example.app:/back');
      await press('Register');
      expect(await credentials()).to.have.length(1);
    });

    it('keep what was typed when it cannot be used', async () => {
      await page.goto('/account/consumers/new');
      await page.getByLabel('Belongs to').selectOption('alice');
      await page.getByLabel(/^Name/).fill('Typo');
      await page.getByLabel(/^Redirect URIs/).fill('http://plain.example/back\nhttps://a.example');
      await page.getByLabel(/Read your wikis/).check();
      await press('Register');
      expect(await page.getByRole('alert').textContent()).to.include('http://plain.example/back');
      expect(await page.getByLabel('Belongs to').inputValue()).to.equal('alice');
      expect(await page.getByLabel(/^Name/).inputValue()).to.equal('Typo');
      expect(await page.getByLabel(/^Redirect URIs/).inputValue()).to.equal(
        'http://plain.example/back\nhttps://a.example',
      );
      expect(await page.getByLabel(/Read your wikis/).isChecked()).to.equal(true);
    });

    it('are changed', async () => {
      await register('Before');
      await page.goto('/account/consumers');
      await page.getByRole('link', { name: 'Before' }).click();
      await page.getByLabel(/^Name/).fill('After');
      await page
        .getByLabel(/^Redirect URIs/)
        .fill('\n https://a.example/back \n\nhttps://b.example/\n');
      await page.getByLabel(/^Security events URL/).fill('https://a.example/events');
      await page.getByLabel(/Read your wikis/).check();
      await press('Save');
      expect(await page.getByRole('status').textContent()).to.equal('Saved.');
      expect(await page.getByRole('heading', { level: 1 }).textContent()).to.equal('After');
      expect(await page.getByLabel(/^Redirect URIs/).inputValue()).to.equal(
        'https://a.example/back\nhttps://b.example/',
      );
      expect(await page.getByLabel(/^Security events URL/).inputValue()).to.equal(
        'https://a.example/events',
      );
      expect(await page.getByLabel(/Read your wikis/).isChecked()).to.equal(true);
      await page.getByLabel(/^Security events URL/).fill('');
      await press('Save');
      expect(await page.getByLabel(/^Security events URL/).inputValue()).to.equal('');
    });

    it('get a new secret, beside which the old one is good for a day', async () => {
      const [clientId, old] = await register('Rotating');
      await page.goto(`/account/consumers/${clientId}`);
      await press('Replace the secret');
      const fresh = (await credentials())[1]!;
      expect(await page.locator('main').textContent()).to.include('24 hours');
      expect(await tokenStatus(clientId!, fresh)).to.equal(200);
      expect(await tokenStatus(clientId!, old!)).to.equal(200);
    });

    it('are deleted after one more question', async () => {
      const [clientId, secret] = await register('Short-lived');
      await page.goto(`/account/consumers/${clientId}`);
      await page.getByRole('link', { name: 'Delete…' }).click();
      expect(await tokenStatus(clientId!, secret!)).to.equal(200);
      await press('Delete');
      expect(await page.getByRole('status').textContent()).to.include('deleted');
      expect(await tokenStatus(clientId!, secret!)).to.equal(401);
    });
  });

  describe('are their registrant’s alone', () => {
    let alice: Browser;
    let clientId: string;

    before(async () => {
      alice = new Browser(running);
      await alice.signIn('alice');
      const { hidden } = await alice.get('/account/consumers/new');
      const made = await alice.post('/account/consumers', {
        ...hidden,
        name: 'Mine',
        owner: 'acme',
        'scope.issue': 'on',
      });
      expect(made.status).to.equal(201);
      clientId = /mcc_[\w-]+/.exec(made.text)![0];
    });

    it('for nobody else to see or change', async () => {
      const carol = new Browser(running);
      await carol.signIn('carol');
      const { hidden } = await carol.get('/account/consumers/new');
      expect((await carol.get('/account/consumers')).text).not.to.include('Mine');
      for (const path of ['', '/delete']) {
        expect((await carol.get(`/account/consumers/${clientId}${path}`)).status).to.equal(404);
      }
      for (const path of ['', '/secret', '/delete']) {
        const answer = await carol.post(`/account/consumers/${clientId}${path}`, {
          ...hidden,
          name: 'Stolen',
        });
        expect(answer.status, path).to.equal(404);
      }
      expect((await alice.get(`/account/consumers/${clientId}`)).text).to.include('Mine');
    });

    it('and an operator’s registrations are in nobody’s list', async () => {
      await registerConsumer(running, { name: 'Of the operator' });
      expect((await alice.get('/account/consumers')).text).not.to.include('Of the operator');
    });

    it('for places they administer, whatever is posted', async () => {
      const { hidden } = await alice.get('/account/consumers/new');
      const answer = await alice.post('/account/consumers', {
        ...hidden,
        name: 'Grab',
        owner: 'somebody-else',
        'scope.issue': 'on',
      });
      expect(answer.status).to.equal(403);
      expect(answer.text).to.include('do not administer');
      const bob = new Browser(running);
      await bob.signIn('bob');
      expect((await bob.get('/account/consumers/new')).text).to.include('none that you may');
    });

    it('behind a sign-in, and a form of our own', async () => {
      const stranger = new Browser(running);
      for (const path of ['', '/new', `/${clientId}`]) {
        const { status, location } = await stranger.get(`/account/consumers${path}`);
        expect(status).to.equal(303);
        expect(location).to.equal(
          `/signin?return=${encodeURIComponent(`/account/consumers${path}`)}`,
        );
      }
      for (const path of ['', `/${clientId}`, `/${clientId}/secret`, `/${clientId}/delete`]) {
        const forged = await alice.post(`/account/consumers${path}`, { csrf: 'x', name: 'Forged' });
        expect(forged.status, path).to.equal(403);
      }
    });

    it('marked when they are from before scopes existed, and stay so until that is unticked', async () => {
      const { store, settings } = running.host.parts;
      await store.consumers.create({
        id: 'old-one',
        name: 'Old one',
        redirectUris: [],
        eventsUri: null,
        scopes: null,
        isPublic: false,
        ownerContext: 'acme',
        ownerUser: 'alice',
        secretHash: null,
        oauth1Secret: null,
        ownGrantId: 'old-grant',
        createdAt: settings.clock.now(),
      });
      expect((await alice.get('/account/consumers')).text).to.include('grandfathered');
      const { hidden } = await alice.get('/account/consumers/old-one');
      const save = (more: Record<string, string>) =>
        alice.post('/account/consumers/old-one', { ...hidden, name: 'Old one', ...more });
      await save({ keepsAll: 'on', 'scope.issue': 'on' });
      expect((await store.consumers.find('old-one'))?.scopes).to.equal(null);
      await save({ 'scope.issue': 'on' });
      expect((await store.consumers.find('old-one'))?.scopes).to.deep.equal(['issue']);
    });
  });

  it('cannot be registered where nobody says who administers what, except by operators', async () => {
    const bare = await startHost({ isOperator });
    try {
      const tries = async (user: string) => {
        const browser = new Browser(bare);
        await browser.signIn(user);
        const { hidden } = await browser.get('/account/consumers/new');
        const form = { csrf: hidden.csrf!, name: 'X', owner: 'acme', 'scope.issue': 'on' };
        return (await browser.post('/account/consumers', form)).status;
      };
      expect(await tries('alice')).to.equal(201);
      expect(await tries('bob')).to.equal(403);
    } finally {
      await bare.stop();
    }
  });
});
