// A sample add-on, a service of its own: told of a push, it clones the repository with its token, reads the commit
// messages and says what it thinks of them. Everything it knows of the host comes from the `installed` call.
//
//   PORT=8471 HOST_URL=http://localhost:8470 node --import tsx examples/commit-checker/main.ts
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import {
  AccessTokens,
  AddonError,
  clientKeyOf,
  HostKeys,
  verifyInstall,
  verifyWebhook,
} from 'mortise/addon';

const run = promisify(execFile);

const port = Number(process.env.PORT ?? 8471);
const hostUrl = process.env.HOST_URL ?? 'http://localhost:8470';
const dataFolder = process.env.DATA ?? '.mortise/commit-checker';
const baseUrl = `http://localhost:${port}`;

const descriptor = {
  ...JSON.parse(readFileSync(new URL('./descriptor.json', import.meta.url), 'utf8')),
  baseUrl,
};
const keys = new HostKeys(hostUrl);

interface Installation {
  clientKey: string;
  sharedSecret: string;
  webhookSecret: string;
  oauthClientId: string;
  oauthClientSecret: string;
  baseApiUrl: string;
}

// One file, by clientKey: a real add-on has a database.
const file = join(dataFolder, 'installations.json');
const installations: Record<string, Installation> = existsSync(file)
  ? JSON.parse(readFileSync(file, 'utf8'))
  : {};
const tokens = new Map<string, AccessTokens>();

const server = createServer(async (request, response) => {
  try {
    response.statusCode = await answer(request);
    response.end(response.statusCode === 200 ? JSON.stringify(descriptor, null, 2) : '');
  } catch (error) {
    response.statusCode = error instanceof AddonError ? error.status : 500;
    log('refused', { url: request.url, message: (error as Error).message });
    response.end((error as Error).message);
  }
});
server.listen(port, '127.0.0.1', () => log('listening', { url: `${baseUrl}/descriptor.json` }));

async function answer(request: IncomingMessage): Promise<number> {
  const url = request.url ?? '/';
  if (request.method === 'GET' && url === '/descriptor.json') return 200;
  if (request.method !== 'POST') return 404;
  const received = {
    method: 'POST',
    url,
    headers: request.headers,
    rawBody: await readAll(request),
  };
  if (url === '/installed' || url === '/uninstalled') return lifecycle(received);
  if (url === '/webhook') return webhook(received);
  return 404;
}

/** The call is believed because the host's published key signed it, not because of anything it says. */
async function lifecycle(received: Parameters<typeof verifyInstall>[0]): Promise<number> {
  const { eventType, clientKey, payload } = await verifyInstall(received, { keys, baseUrl });
  tokens.delete(clientKey);
  if (eventType === 'installed') installations[clientKey] = payload as unknown as Installation;
  else delete installations[clientKey];
  mkdirSync(dataFolder, { recursive: true });
  writeFileSync(file, JSON.stringify(installations, null, 2), { mode: 0o600 });
  log(eventType, { clientKey, scopes: payload.scopes });
  return 204;
}

/** Answers at once and works afterwards: a webhook is not the place to be slow. */
function webhook(received: Parameters<typeof verifyWebhook>[0]): number {
  const installation = installations[clientKeyOf(received.headers) ?? ''];
  if (!installation)
    throw new AddonError('not_installed', 'This webhook belongs to no installation here.');
  const verified = verifyWebhook(received, { installation, baseUrl });
  log('webhook', {
    event: verified.event,
    id: verified.id,
    attempt: verified.attempt,
    signatures: verified.signatures,
    withheld: verified.withheld,
  });
  const { repository, push } = verified.body.data as PushData;
  void check(installation, repository.full_name, push.changes).catch((error: Error) => {
    log('failed', { message: error.message });
  });
  return 204;
}

interface PushData {
  repository: { full_name: string };
  push: {
    changes: {
      new: { name: string; target: { hash: string } } | null;
      commits: { hash: string }[];
    }[];
  };
}

async function check(
  installation: Installation,
  repository: string,
  changes: PushData['push']['changes'],
): Promise<void> {
  const { token, scopes } = await accessTokens(installation).get();
  log('token', { scopes });
  const folder = mkdtempSync(join(tmpdir(), 'commit-checker-'));
  try {
    const started = Date.now();
    const { host } = new URL(installation.baseApiUrl);
    await run('git', [
      'clone',
      '--quiet',
      '--bare',
      `http://x-token-auth:${token}@${host}/${repository}.git`,
      folder,
    ]);
    log('cloned', { repository, as: 'x-token-auth', ms: Date.now() - started });
    for (const { hash } of changes.flatMap((change) => change.commits)) {
      // What comes from outside is not handed to a command unseen.
      if (!/^[0-9a-f]{40,64}$/.test(hash)) throw new Error(`"${hash}" is not a commit`);
      const { stdout: message } = await run('git', [
        '--git-dir',
        folder,
        'log',
        '-1',
        '--format=%B',
        hash,
      ]);
      await report(installation, token, repository, hash, opinionOf(message.trim()));
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function opinionOf(message: string): { state: 'SUCCESSFUL' | 'FAILED'; description: string } {
  const subject = message.split('\n')[0] ?? '';
  if (!/^\p{Lu}/u.test(subject))
    return { state: 'FAILED', description: 'The subject does not begin with a capital letter.' };
  if (!subject.includes(' '))
    return { state: 'FAILED', description: 'The subject is one word only.' };
  return { state: 'SUCCESSFUL', description: 'The message reads well.' };
}

async function report(
  { baseApiUrl }: Installation,
  token: string,
  repository: string,
  hash: string,
  opinion: { state: string; description: string },
): Promise<void> {
  const response = await fetch(
    `${baseApiUrl}/2.0/repositories/${repository}/commit/${hash}/statuses/build`,
    {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({
        key: 'commit-checker',
        name: 'Commit message',
        url: `${baseUrl}/checks/${hash}`,
        ...opinion,
      }),
    },
  );
  log('status', { hash, ...opinion, answered: response.status });
}

function accessTokens(installation: Installation): AccessTokens {
  let source = tokens.get(installation.clientKey);
  if (!source) {
    source = new AccessTokens({
      tokenUrl: `${installation.baseApiUrl}/oauth2/token`,
      clientId: installation.oauthClientId,
      clientSecret: installation.oauthClientSecret,
    });
    tokens.set(installation.clientKey, source);
  }
  return source;
}

async function readAll(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** One JSON line for each thing that happens. */
function log(what: string, facts: Record<string, unknown>): void {
  console.log(JSON.stringify({ addon: descriptor.key, what, ...facts }));
}
