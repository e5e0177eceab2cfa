// Takes docs/screenshots anew: node --import tsx test/pages/screenshots.ts [FOLDER]
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DESK, launchChromium, openContext, PHONE, signIn } from './chromium.ts';
import { furnishedHost } from './every-page.ts';

const KEPT = [
  'consent',
  'access-management',
  'consumers',
  'install-consent',
  'install-faults',
  'installations',
];

const [folder] = process.argv.slice(2);
const browser = await launchChromium();
if (browser) {
  const furnished = await furnishedHost();
  for (const [scheme, viewport] of [
    ['light', DESK],
    ['dark', PHONE],
  ] as const) {
    const context = await openContext(browser, furnished.running, {
      colorScheme: scheme,
      viewport,
    });
    const page = await context.newPage();
    await signIn(page);
    for (const name of folder === undefined ? KEPT : Object.keys(furnished.pages)) {
      await furnished.pages[name]!(page);
      const to = folder ?? 'docs/screenshots';
      mkdirSync(to, { recursive: true });
      await page.screenshot({ path: join(to, `${name}-${scheme}.png`), fullPage: true });
    }
    await context.close();
  }
  await browser.close();
  await furnished.stop();
}
