// The system's Chromium, driven without a window. Where there is none, the tests say so and are skipped.
import { existsSync } from 'node:fs';
import axe from 'axe-core';
import { expect } from 'chai';
import {
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  chromium,
  type Page,
} from 'playwright-core';
import type { RunningHost } from '../helpers/start-host.ts';

const PATH = process.env.CHROMIUM ?? '/usr/bin/chromium';

export const PHONE = { width: 360, height: 740 };
export const DESK = { width: 1000, height: 800 };

/** undefined, said loudly, where this machine has no Chromium. */
export async function launchChromium(): Promise<Browser | undefined> {
  if (!existsSync(PATH)) {
    console.warn(`\n  !! SKIPPED: there is no Chromium at ${PATH}; no page was looked at.`);
    console.warn('  !! Install the Debian package "chromium", or set CHROMIUM to its path.\n');
    return undefined;
  }
  return chromium.launch({
    executablePath: PATH,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}

/** One person's browser. Pages need no script, so none runs, unless a test brings its own. */
export async function openContext(
  browser: Browser,
  running: Pick<RunningHost, 'url'>,
  options: BrowserContextOptions = {},
): Promise<BrowserContext> {
  const context = await browser.newContext({
    baseURL: running.url,
    javaScriptEnabled: false,
    viewport: DESK,
    ...options,
  });
  context.setDefaultTimeout(5_000);
  return context;
}

export async function signIn(page: Page, user = 'alice', returnTo = '/account/authorizations') {
  await page.goto(`/signin?return=${encodeURIComponent(returnTo)}`);
  await page.getByLabel('User name').fill(user);
  await page.getByRole('button', { name: 'Sign in' }).click();
}

/** Needs a context with scripts and `bypassCSP`: axe is one. */
export async function expectAccessible(page: Page): Promise<void> {
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() =>
    (globalThis as unknown as { axe: typeof axe }).axe.run(),
  );
  const said = violations.map(
    ({ id, nodes }) =>
      `${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join('; ')}`,
  );
  expect(said, page.url()).to.deep.equal([]);
}

/** Nothing has to be moved sideways to be read. */
export async function expectNoSidewaysScroll(page: Page): Promise<void> {
  const [content, window] = (await page.evaluate(
    'const { scrollWidth, clientWidth } = document.documentElement; [scrollWidth, clientWidth]',
  )) as [number, number];
  expect(content, `the width of ${page.url()}`).to.be.at.most(window);
}
