import { expect } from 'chai';
import type { Browser } from 'playwright-core';
import { startHost } from '../helpers/start-host.ts';
import {
  DESK,
  expectAccessible,
  expectNoSidewaysScroll,
  launchChromium,
  openContext,
  PHONE,
  signIn,
} from './chromium.ts';
import { type FurnishedHost, furnishedHost } from './every-page.ts';
import { directory, isOperator } from './place.ts';

describe('every page', function () {
  this.timeout(120_000);
  let furnished: FurnishedHost;
  let browser: Browser | undefined;

  before(async function () {
    browser = await launchChromium();
    if (!browser) return this.skip();
    furnished = await furnishedHost();
  });
  after(async () => {
    await browser?.close();
    await furnished?.stop();
  });

  for (const [colorScheme, viewport] of [
    ['light', DESK],
    ['dark', PHONE],
  ] as const) {
    it(`can be read and used by anyone: ${colorScheme}, ${viewport.width} px wide`, async () => {
      const context = await openContext(browser!, furnished.running, {
        colorScheme,
        viewport,
        javaScriptEnabled: true,
        bypassCSP: true,
      });
      const page = await context.newPage();
      await signIn(page);
      for (const go of Object.values(furnished.pages)) {
        await go(page);
        await expectNoSidewaysScroll(page);
        await expectAccessible(page);
      }
      await context.close();
    });
  }

  it('follows the colours of its reader', async () => {
    const grounds = [];
    for (const colorScheme of ['light', 'dark'] as const) {
      const context = await openContext(browser!, furnished.running, { colorScheme });
      const page = await context.newPage();
      await page.goto('/signin');
      grounds.push(await page.evaluate('getComputedStyle(document.body).backgroundColor'));
      await context.close();
    }
    expect(grounds[0]).not.to.equal(grounds[1]);
  });

  it('runs no script, loads nothing, and says nothing to the console', async () => {
    const context = await openContext(browser!, furnished.running, { javaScriptEnabled: true });
    const page = await context.newPage();
    const said: string[] = [];
    const loaded: string[] = [];
    page.on('console', (message) => said.push(`${page.url()} ${message.text()}`));
    page.on('request', (request) => {
      const kind = request.resourceType();
      if (kind !== 'document') loaded.push(`${kind} ${request.url()}`);
    });
    await signIn(page);
    for (const go of Object.values(furnished.pages)) {
      await go(page);
      expect(await page.locator('script').count(), page.url()).to.equal(0);
    }
    await context.close();
    const faults = said.filter((line) => !/Failed to load resource/.test(line));
    expect(faults).to.deep.equal([]);
    expect(loaded.filter((line) => !line.endsWith('/favicon.ico'))).to.deep.equal([]);
  });

  it('has something to say when there is nothing to show', async () => {
    const empty = await startHost({ directory, isOperator });
    try {
      for (const path of ['authorizations', 'consumers']
        .map((name) => `/account/${name}`)
        .concat('/operator/installations')) {
        const context = await openContext(browser!, empty, {
          viewport: PHONE,
          javaScriptEnabled: true,
          bypassCSP: true,
        });
        const page = await context.newPage();
        await signIn(page, 'alice', path);
        expect(await page.locator('.empty').count(), path).to.equal(1);
        await expectNoSidewaysScroll(page);
        await expectAccessible(page);
        await context.close();
      }
    } finally {
      await empty.stop();
    }
  });
});
