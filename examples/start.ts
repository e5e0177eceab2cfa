// npm start: the sample code host, two sample add-ons, and the main job told step by step.
//   --once   ends after the story: 0, or 1 and the step that failed
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DEFAULT_PORT, optionsFromEnvironment } from './code-host/environment.ts';
import { type CodeHost, startCodeHost } from './code-host/start.ts';
import { AddonProcess, freePort } from './story/addon-process.ts';
import { tellStory } from './story/tell.ts';
import { StepFailed, Teller } from './story/teller.ts';

const isOnce = process.argv.includes('--once');
const temporary =
  isOnce && !process.env.MORTISE_DATA ? mkdtempSync(join(tmpdir(), 'mortise-story-')) : undefined;
const options = optionsFromEnvironment({
  dataFolder: temporary ?? '.mortise',
  // Alone for a moment, any port will do; to stay, a known one.
  port: isOnce ? 0 : DEFAULT_PORT,
});
const teller = new Teller();
const addons: AddonProcess[] = [];
let codeHost: CodeHost | undefined;

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void end(0));
process.once('exit', () => {
  for (const addon of addons) addon.stop();
});

try {
  codeHost = await startCodeHost(options);
  const { port } = new URL(codeHost.url);
  const wished = isOnce ? [0, 0] : [Number(port) + 1, Number(port) + 2];
  const ports = [await freePort(wished[0]!), await freePort(wished[1]!)];
  const checker = startAddon('commit-checker', ports[0]!);
  const neighbour = startAddon('nosy-neighbour', ports[1]!);
  teller.say(`code host       ${codeHost.url}`);
  teller.say(`commit checker  ${checker.url}, a process of its own`);
  teller.say(`nosy neighbour  ${neighbour.url}, another`);
  const acceptNewOrigin = ports.some((actual, i) => actual !== wished[i]);
  await tellStory(teller, { codeHost, checker, neighbour, acceptNewOrigin });
  if (isOnce) await end(0);
  else await sayWhatToOpen(codeHost);
} catch (error) {
  const { code, message } = error as NodeJS.ErrnoException;
  if (error instanceof StepFailed) console.error(`\n${message}`);
  else if (code === 'EADDRINUSE')
    console.error(`Port ${options.port} is in use. Choose another: PORT=8480 npm start`);
  else console.error(error);
  await end(1);
}

function startAddon(name: string, port: number): AddonProcess {
  const addon = new AddonProcess(name, port, codeHost!.url, join(options.dataFolder, name));
  addons.push(addon);
  return addon;
}

async function sayWhatToOpen({ url, alicePassword }: CodeHost): Promise<void> {
  teller.say(`
It stays up. Open:
   ${url}/                              commits, and what the checker said of them
   ${url}/operator/installations        what is installed, and how to install more (sign in as alice)
   ${url}/account/authorizations        what users have let applications do
   ${url}/schemas/descriptor.json       what a descriptor may say, for your editor
   ${url}/.well-known/jwks.json         the host’s install key

Try, in another terminal:
   git clone http://alice:${alicePassword}@${new URL(url).host}/acme/site.git    then push to it
   npx mortise deliveries
   npx mortise events send issue:created --context acme --resource acme/site
   npx mortise validate ${addons[0]!.url}/descriptor.json

Ctrl-C ends it.`);
}

async function end(code: number): Promise<void> {
  for (const addon of addons) addon.stop();
  await codeHost?.close();
  if (temporary) rmSync(temporary, { recursive: true, force: true });
  process.exit(code);
}
