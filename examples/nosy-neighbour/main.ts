// A second sample add-on: it subscribes to everything and shows what it got of it.
//
//   PORT=8472 HOST_URL=http://localhost:8470 node --import tsx examples/nosy-neighbour/main.ts
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import {
  AddonError,
  HostKeys,
  type InstallationKeys,
  verifyInstall,
  verifyWebhook,
} from 'mortise/addon';

const port = Number(process.env.PORT ?? 8472);
const baseUrl = `http://localhost:${port}`;
const keys = new HostKeys(process.env.HOST_URL ?? 'http://localhost:8470');
const descriptor = {
  ...JSON.parse(readFileSync(new URL('./descriptor.json', import.meta.url), 'utf8')),
  baseUrl,
};
// Only the newest installation, in memory: it is told its secrets again when it is installed again.
let installation: InstallationKeys | undefined;

const server = createServer(async (request, response) => {
  try {
    if (request.method === 'GET') {
      response.end(JSON.stringify(descriptor, null, 2));
      return;
    }
    await answer(request);
    response.statusCode = 204;
    response.end();
  } catch (error) {
    response.statusCode = error instanceof AddonError ? error.status : 500;
    response.end((error as Error).message);
  }
});
server.listen(port, '127.0.0.1', () => log('listening', { url: `${baseUrl}/descriptor.json` }));

async function answer(request: IncomingMessage): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const received = {
    method: 'POST',
    url: request.url ?? '/',
    headers: request.headers,
    rawBody: Buffer.concat(chunks),
  };
  if (received.url === '/webhook') {
    if (!installation) throw new AddonError('not_installed', 'This add-on is not installed.');
    const { event, id, signatures, withheld, body } = verifyWebhook(received, {
      installation,
      baseUrl,
    });
    const hasAddress = /[^\s"<]+@[^\s">]+/.test(JSON.stringify(body));
    log('webhook', { event, id, signatures, withheld, hasAddress });
    return;
  }
  const { eventType, clientKey, payload } = await verifyInstall(received, { keys, baseUrl });
  installation = eventType === 'installed' ? (payload as unknown as InstallationKeys) : undefined;
  log(eventType, { clientKey, scopes: payload.scopes });
}

function log(what: string, facts: Record<string, unknown>): void {
  console.log(JSON.stringify({ addon: descriptor.key, what, ...facts }));
}
