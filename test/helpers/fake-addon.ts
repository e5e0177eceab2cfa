// An add-on that is a real HTTP server: it records what it gets, and can answer slowly, wrongly or not at all.
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface ReceivedCall {
  method: string;
  url: string;
  headers: IncomingHttpHeaders;
  body: Buffer;
  // biome-ignore lint/suspicious/noExplicitAny: payloads of many shapes
  json: any;
  at: number;
}

export type Responder = (call: ReceivedCall, response: ServerResponse) => void;

export interface FakeAddon {
  url: string;
  descriptorUrl: string;
  /** Served at descriptorUrl; change it as you like. */
  descriptor: Record<string, unknown>;
  calls: ReceivedCall[];
  /** Answers POSTs; 204 unless replaced. */
  respond: Responder;
  /** Calls to one path so far. */
  to(path: string): ReceivedCall[];
  /** Waits until `count` calls to a path have come. */
  waitFor(path: string, count?: number): Promise<ReceivedCall>;
  stop(): Promise<void>;
}

export const answer =
  (status: number, body = ''): Responder =>
  (_call, response) => {
    response.writeHead(status).end(body);
  };

export async function fakeAddon(descriptor: Record<string, unknown> = {}): Promise<FakeAddon> {
  const waiting: { path: string; count: number; resolve: (call: ReceivedCall) => void }[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      if (request.method === 'GET') {
        response.setHeader('content-type', 'application/json');
        response.end(JSON.stringify(addon.descriptor, null, 2));
        return;
      }
      const body = Buffer.concat(chunks);
      const call: ReceivedCall = {
        method: request.method!,
        url: request.url!,
        headers: request.headers,
        body,
        json: parse(body),
        at: Date.now(),
      };
      addon.calls.push(call);
      addon.respond(call, response);
      for (const wait of [...waiting]) tell(wait);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  function tell(wait: (typeof waiting)[number]): void {
    const found = addon.to(wait.path);
    if (found.length < wait.count) return;
    waiting.splice(waiting.indexOf(wait), 1);
    wait.resolve(found[wait.count - 1]!);
  }

  const addon: FakeAddon = {
    url,
    descriptorUrl: `${url}/descriptor.json`,
    descriptor: {
      key: 'fake-addon',
      name: 'Fake add-on',
      description: 'Records what it gets.',
      baseUrl: url,
      authentication: { type: 'jwt' },
      lifecycle: { installed: '/installed', uninstalled: '/uninstalled' },
      scopes: ['repository'],
      modules: { webhooks: [{ event: '*', url: '/hook' }] },
      ...descriptor,
    },
    calls: [],
    respond: answer(204),
    to: (path) => addon.calls.filter((call) => call.url.split('?')[0] === path),
    waitFor(path, count = 1) {
      return new Promise((resolve) => {
        const wait = { path, count, resolve };
        waiting.push(wait);
        tell(wait);
      });
    },
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return addon;
}

function parse(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    return undefined;
  }
}
