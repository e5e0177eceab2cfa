import { expect } from 'chai';
import type { BrowserContext, Browser as Chromium, Page } from 'playwright-core';
import { Browser } from '../helpers/browser.ts';
import { answer, type FakeAddon, fakeAddon } from '../helpers/fake-addon.ts';
import { PUSH } from '../helpers/installed-addon.ts';
import { type RunningHost, startHost } from '../helpers/start-host.ts';
import { until } from '../helpers/until.ts';
import { launchChromium, openContext, signIn } from './chromium.ts';
import { directory, isOperator } from './place.ts';

describe('the operators’ installation pages', () => {
  let running: RunningHost;
  let addon: FakeAddon;

  beforeEach(async () => {
    running = await startHost({ directory, isOperator });
    addon = await fakeAddon({
      key: 'lights',
      name: 'Build lights',
      scopes: ['repository', 'issue'],
      modules: { webhooks: [{ event: 'repo:push', url: '/hook' }] },
    });
  });
  afterEach(async () => {
    await addon.stop();
    await running.stop();
  });

  const installed = async () => (await running.operator('GET', '/installations')).json.items;

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
      await signIn(page, 'alice', '/operator/installations');
    });
    afterEach(() => context?.close());

    const press = (name: string) => page.getByRole('button', { name }).click();
    const main = () => page.locator('main').textContent();

    async function read(): Promise<void> {
      await page.goto('/operator/installations/new');
      await page.getByLabel(/^Descriptor address/).fill(addon.descriptorUrl);
      await page.getByLabel(/^Workspace or Personal account/).fill('acme');
      await press('Read the descriptor');
    }

    it('lead from nothing over what is asked to what the add-on answered', async () => {
      expect(await main()).to.include('No add-on is installed');
      addon.respond = answer(200, 'Glad to be here.');
      await read();
      const asked = await main();
      expect(asked)
        .to.include('Build lights asks to be installed in acme')
        .and.include(addon.url)
        .and.include('Read your repositories and their history')
        .and.include('Push (repo:push)')
        .and.not.include('(issue:created)');
      expect(addon.calls).to.deep.equal([]);
      await page.getByLabel('Only these:').check();
      await page.getByLabel('acme/site').check();
      await press('Approve and install');

      const said = await main();
      expect(said).to.include(`POST ${addon.url}/installed`).and.include('Glad to be here.');
      expect(said).to.match(/200.*installed.*\d+ ms/);
      const [row] = await installed();
      expect(row).to.deep.include({ state: 'enabled', resources: ['acme/site'], context: 'acme' });
    });

    it('show a faulty descriptor’s own lines, each with its mark', async () => {
      addon.descriptor.scopes = ['repository', 'repositry:write'];
      addon.descriptor.modules = { webhooks: [{ event: 'repo:pussh', url: '/hook' }] };
      await read();
      expect(await page.getByRole('alert').textContent()).to.include('2 faults');
      expect(await page.locator('mark').allTextContents()).to.deep.equal([
        '"repositry:write"',
        '"repo:pussh"',
      ]);
      const number = await page.locator('.line.at .no').first().textContent();
      const text = JSON.stringify(addon.descriptor, null, 2).split('\n');
      expect(text[Number(number) - 1]).to.include('repositry:write');
      expect(await main()).to.include('repository:write');
      expect(await page.getByLabel(/^Descriptor address/).inputValue()).to.equal(
        addon.descriptorUrl,
      );
    });

    it('say what kept a descriptor from being read', async () => {
      const { descriptorUrl } = addon;
      await addon.stop();
      await read();
      expect(await page.getByRole('alert').textContent()).to.include(descriptorUrl);
    });

    it('show why the add-on refused, and try again', async () => {
      addon.respond = answer(500, 'No room.');
      await read();
      await press('Approve and install');
      expect(await main())
        .to.include('did not accept')
        .and.include('No room.')
        .and.include(`POST ${addon.url}/installed`);
      expect(await installed()).to.deep.equal([]);
      addon.respond = answer(204);
      await press('Try again');
      expect(await page.getByRole('status').textContent()).to.include('Installed.');
      expect(await installed()).to.have.length(1);
    });

    it('refuse to approve what was not shown', async () => {
      await read();
      addon.descriptor.scopes = ['repository', 'issue', 'account:write'];
      await press('Approve and install');
      expect(await page.getByRole('alert').textContent()).to.include('has changed');
      expect(await main()).to.include('change your account');
      expect(addon.calls).to.deep.equal([]);
      await press('Approve and install');
      expect((await installed())[0].scopes).to.include('account:write');
    });

    it('tell a re-install’s old permissions from its new ones, and keep its resources', async () => {
      await running.operator('POST', '/installations', {
        descriptorUrl: addon.descriptorUrl,
        context: 'acme',
        resources: ['acme/site'],
      });
      addon.descriptor.scopes = ['repository', 'wiki'];
      await read();
      const line = (scope: string) =>
        page
          .locator('li', { hasText: `(${scope})` })
          .first()
          .textContent();
      expect(await line('repository')).to.include('granted before');
      expect(await line('wiki')).to.include('new');
      expect(await main()).to.include('taken back: issue');
      expect(await page.getByLabel('acme/site').isChecked()).to.equal(true);
      await press('Approve and install');
      expect((await installed())[0]).to.deep.include({
        scopes: ['repository', 'wiki'],
        resources: ['acme/site'],
      });
    });

    it('want a moved add-on confirmed', async () => {
      await running.operator('POST', '/installations', {
        descriptorUrl: addon.descriptorUrl,
        context: 'acme',
      });
      const elsewhere = await fakeAddon({ key: 'lights', name: 'Build lights' });
      try {
        await page.goto('/operator/installations/new');
        await page.getByLabel(/^Descriptor address/).fill(elsewhere.descriptorUrl);
        await page.getByLabel(/^Workspace or Personal account/).fill('acme');
        await press('Read the descriptor');
        expect(await main()).to.include(`lives at ${addon.url}, not at ${elsewhere.url}`);
        await page.getByLabel(/has moved, and I know it/).check();
        await press('Approve and install');
        expect((await installed())[0].baseUrl).to.equal(elsewhere.url);
      } finally {
        await elsewhere.stop();
      }
    });

    it('rotate the secrets, and show what the add-on answered, yes or no', async () => {
      await read();
      await press('Approve and install');
      addon.respond = answer(200, 'Locks changed.');
      await press('Rotate secrets of Build lights in acme');
      expect(await page.getByRole('status').textContent()).to.include('new secrets');
      expect(await main()).to.include('Locks changed.');
      const [first, second] = addon.to('/installed');
      expect(second!.json.sharedSecret).not.to.equal(first!.json.sharedSecret);
      const shown = await page.content();
      for (const name of ['sharedSecret', 'webhookSecret', 'oauthClientSecret'])
        expect(shown).not.to.include(second!.json[name]);

      addon.respond = answer(500, 'No locksmith.');
      await press('Rotate secrets of Build lights in acme');
      expect(await page.getByRole('alert').textContent()).to.include(
        'the old secrets stay in force',
      );
      expect(await main()).to.include('No locksmith.');
    });

    it('disable, enable, and uninstall after one more question', async () => {
      await read();
      await press('Approve and install');
      await page.goto('/operator/installations');
      await press('Disable Build lights in acme');
      expect((await installed())[0].state).to.equal('disabled');
      await press('Enable Build lights in acme');
      expect((await installed())[0].state).to.equal('enabled');
      await page.getByRole('link', { name: 'Uninstall Build lights in acme' }).click();
      expect((await installed())[0].state).to.equal('enabled');
      await press('Uninstall');
      expect(await page.getByRole('status').textContent()).to.include('Uninstalled.');
      await addon.waitFor('/uninstalled');
      expect(await main()).to.include('No add-on is installed');
    });
  });

  it('are for operators: others are refused, strangers sent to sign in', async () => {
    const carol = new Browser(running);
    await carol.signIn('carol');
    const stranger = new Browser(running);
    for (const path of ['', '/new', '/some-id', '/some-id/uninstall']) {
      const refused = await carol.get(`/operator/installations${path}`);
      expect(refused.status).to.equal(403);
      expect(refused.text).to.include('Only operators');
      const away = await stranger.get(`/operator/installations${path}`);
      expect(away.location).to.equal(
        `/signin?return=${encodeURIComponent(`/operator/installations${path}`)}`,
      );
    }
    for (const path of [
      '',
      '/new',
      '/some-id/state',
      '/some-id/rotate-secret',
      '/some-id/recover',
      '/some-id/uninstall',
    ]) {
      const { hidden } = await carol.get('/account/authorizations');
      const post = { csrf: hidden.csrf ?? '', descriptorUrl: addon.descriptorUrl, context: 'acme' };
      expect((await carol.post(`/operator/installations${path}`, post)).status).to.equal(403);
    }
    expect((await carol.get('/account/authorizations')).text).not.to.include('Installations');
    expect(addon.calls).to.deep.equal([]);
  });

  it('take no form but their own, and no approval without a digest', async () => {
    const alice = new Browser(running);
    await alice.signIn('alice');
    const form = { descriptorUrl: addon.descriptorUrl, context: 'acme' };
    for (const path of [
      '',
      '/new',
      '/some-id/state',
      '/some-id/rotate-secret',
      '/some-id/recover',
      '/some-id/uninstall',
    ]) {
      const forged = await alice.post(`/operator/installations${path}`, { ...form, csrf: 'x' });
      expect(forged.status, path).to.equal(403);
    }
    const { hidden } = await alice.get('/operator/installations/new');
    const blind = await alice.post('/operator/installations', { ...form, csrf: hidden.csrf! });
    expect(blind.status).to.equal(409);
    expect(addon.calls).to.deep.equal([]);
  });

  it('show how deliveries fare, and recover with one button', async () => {
    const alice = new Browser(running);
    await alice.signIn('alice');
    const { json } = await running.operator('POST', '/installations', {
      descriptorUrl: addon.descriptorUrl,
      context: 'acme',
    });
    const path = `/operator/installations/${json.id}`;
    expect((await alice.get(path)).text)
      .to.include('Everything arrives')
      .and.not.include('It is well again');
    addon.respond = answer(410);
    await running.operator('POST', '/events', PUSH);
    const off = await until(async () => {
      const page = await alice.get(path);
      return page.text.includes('it wants no more') && page;
    }, 'the page to say so');
    expect(off.text).to.include(`repo:push → ${addon.url}/hook`);
    const done = await alice.post(`${path}/recover`, off.hidden);
    expect(done.location).to.equal(`${path}?done=recovered`);
    expect((await alice.get(done.location!)).text).to.include('its webhooks are on');
    expect((await installed())[0].delivery.state).to.equal('well');
  });

  it('take "only these" with nothing ticked for no answer', async () => {
    const alice = new Browser(running);
    await alice.signIn('alice');
    const { hidden: csrf } = await alice.get('/operator/installations/new');
    const form = { ...csrf, descriptorUrl: addon.descriptorUrl, context: 'acme' };
    const { hidden } = await alice.post('/operator/installations/new', form);
    const none = await alice.post('/operator/installations', { ...hidden, where: 'chosen' });
    expect(none.status).to.equal(422);
    expect(none.text).to.include('none is ticked');
    expect(addon.calls).to.deep.equal([]);
  });
});
