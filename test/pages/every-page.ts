// A host with something to show on every page, and the way to each.
import type { Page } from 'playwright-core';
import { Browser } from '../helpers/browser.ts';
import { authorizePath, CALLBACK, consent, registerConsumer } from '../helpers/consumer.ts';
import { answer, type FakeAddon, fakeAddon } from '../helpers/fake-addon.ts';
import { PUSH } from '../helpers/installed-addon.ts';
import { type RunningHost, startHost } from '../helpers/start-host.ts';
import { until } from '../helpers/until.ts';
import { directory, isOperator } from './place.ts';

export interface FurnishedHost {
  running: RunningHost;
  /** By name: brings a page there, signed in as alice unless it is for strangers. */
  pages: Record<string, (page: Page) => Promise<unknown>>;
  stop(): Promise<void>;
}

export async function furnishedHost(): Promise<FurnishedHost> {
  const running = await startHost({ directory, isOperator });
  const lights = await fakeAddon({
    key: 'build-lights',
    name: 'Build lights',
    description: 'Turns a lamp red when a build of yours fails.',
    scopes: ['repository', 'pullrequest:write', 'issue'],
    modules: {
      webhooks: ['repo:push', 'pullrequest:created', 'issue:updated'].map((event) => ({
        event,
        url: '/hook',
      })),
    },
    lifecycle: { installed: '/installed', uninstalled: '/uninstalled', disabled: '/disabled' },
  });
  lights.respond = answer(200, '{"status": "welcome"}');
  const faulty = await fakeAddon({
    key: 'faulty',
    scopes: ['repository', 'repositry:write'],
    modules: { webhooks: [{ event: 'repo:pussh', url: '/hook' }] },
  });
  const silent = await fakeAddon({ key: 'silent', name: 'Silent partner' });
  silent.respond = answer(500, 'Error: no such table: installations\n    at install (app.js:12)');
  const other = await fakeAddon({ key: 'other', name: 'Code coverage', scopes: ['repository'] });

  const gone = await fakeAddon({ key: 'gone', name: 'Gone home' });

  const alice = new Browser(running);
  await alice.signIn('alice');
  await install(running, lights, { resources: ['acme/site'], scopes: ['repository', 'issue'] });
  const { json } = await install(running, other, {});
  await running.operator('PATCH', `/installations/${json.id}`, { state: 'disabled' });
  await leave(running, gone);
  const consumerIds = [await ownConsumer(alice, 'Deploy bot'), await oldConsumer(running)];
  const dashboard = await registerConsumer(running, { name: 'Team dashboard' });
  const phone = await registerConsumer(running, {
    name: 'Pocket reviewer',
    scopes: ['pullrequest:write', 'issue', 'email'],
  });
  await consent(alice, authorizePath(dashboard, { scope: 'repository email' }));
  await consent(alice, authorizePath(phone, { scope: 'pullrequest:write issue' }), {
    answer: 'allow',
    where: 'chosen',
    'resource.acme/site': 'on',
  });

  const at = (path: string) => (page: Page) => page.goto(path);
  const read = (addon: FakeAddon) => async (page: Page) => {
    await page.goto('/operator/installations/new');
    await page.locator('[name=descriptorUrl]').fill(addon.descriptorUrl);
    await page.locator('[name=context]').fill('acme');
    await page.getByRole('button', { name: 'Read the descriptor' }).click();
  };
  const asking = await registerConsumer(running, {
    name: 'Release notes',
    redirectUris: [CALLBACK],
    scopes: ['repository:write', 'pullrequest', 'issue', 'email'],
  });
  return {
    running,
    pages: {
      consent: at(
        authorizePath(asking, {
          scope: 'repository:write pullrequest',
          optional_scope: 'issue email',
        }),
      ),
      'access-management': at('/account/authorizations'),
      consumers: at('/account/consumers'),
      'consumer-new': at('/account/consumers/new'),
      consumer: at(`/account/consumers/${consumerIds[0]}`),
      'consumer-grandfathered': at(`/account/consumers/${consumerIds[1]}`),
      'consumer-delete': at(`/account/consumers/${consumerIds[0]}/delete`),
      'consumer-secret': async (page) => {
        await page.goto(`/account/consumers/${consumerIds[0]}`);
        await page.getByRole('button', { name: 'Replace the secret' }).click();
      },
      'consumer-refused': async (page) => {
        await page.goto('/account/consumers/new');
        await page.getByLabel(/^Name/).fill('Typo');
        await page.getByLabel(/^Redirect URIs/).fill('http://plain.example/back');
        await page.getByRole('button', { name: 'Register' }).click();
      },
      installations: at('/operator/installations'),
      installation: async (page) => {
        await page.goto('/operator/installations');
        await page.getByRole('link', { name: 'Build lights', exact: true }).click();
      },
      'installation-off': async (page) => {
        await page.goto('/operator/installations');
        await page.getByRole('link', { name: 'Gone home', exact: true }).click();
      },
      uninstall: async (page) => {
        await page.goto('/operator/installations');
        await page.getByRole('link', { name: /^Uninstall Build lights/ }).click();
      },
      'install-new': at('/operator/installations/new'),
      'install-consent': read(lights),
      'install-everything': read(other),
      'install-faults': read(faulty),
      'install-refused': async (page) => {
        await read(silent)(page);
        await page.getByRole('button', { name: 'Approve and install' }).click();
      },
      'not-found': at('/account/consumers/nothing'),
      unknown: at('/oauth2/authorize?client_id=nobody'),
      'sign-in': at('/signin'),
    },
    async stop() {
      await Promise.all([lights, faulty, silent, other, gone].map((addon) => addon.stop()));
      await running.stop();
    },
  };
}

function install(running: RunningHost, addon: FakeAddon, more: Record<string, unknown>) {
  return running.operator('POST', '/installations', {
    descriptorUrl: addon.descriptorUrl,
    context: 'acme',
    ...more,
  });
}

/** Its webhook is switched off by a 410. */
async function leave(running: RunningHost, addon: FakeAddon): Promise<void> {
  const { json } = await install(running, addon, { scopes: ['repository'] });
  addon.respond = answer(410);
  await running.operator('POST', '/events', PUSH);
  await until(async () => {
    const shown = await running.operator('GET', `/installations/${json.id}`);
    return shown.json.delivery.state === 'off';
  }, 'the webhook to be off');
}

async function ownConsumer(alice: Browser, name: string): Promise<string> {
  const { hidden } = await alice.get('/account/consumers/new');
  const { text } = await alice.post('/account/consumers', {
    csrf: hidden.csrf!,
    name,
    owner: 'acme',
    redirectUris: 'https://deploy.example/oauth/callback',
    'scope.repository:write': 'on',
    'scope.pipeline': 'on',
  });
  return /mcc_[\w-]+/.exec(text)![0];
}

async function oldConsumer(running: RunningHost): Promise<string> {
  const { store, settings } = running.host.parts;
  const { id } = await store.consumers.create({
    id: 'Xr3kT9vQ',
    name: 'Legacy importer',
    redirectUris: [],
    eventsUri: null,
    scopes: null,
    isPublic: false,
    ownerContext: 'acme',
    ownerUser: 'alice',
    secretHash: null,
    oauth1Secret: null,
    ownGrantId: 'grant-of-the-legacy-importer',
    createdAt: settings.clock.now() - 86_400_000,
  });
  return id;
}
