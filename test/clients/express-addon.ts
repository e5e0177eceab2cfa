// An add-on of atlassian-connect-express (ACE) on loopback: express, ACE's own routes and checks, and around
// them only what records a call or keeps ACE's answer back.
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import ace from 'atlassian-connect-express';
import express, { type Request, type RequestHandler } from 'express';

export interface ExpressCall {
  method: string;
  url: string;
  headers: IncomingHttpHeaders;
  body: Buffer;
  /** What was answered; undefined until then. */
  status: number | undefined;
}

export interface AcceptedWebhook {
  event: string;
  // biome-ignore lint/suspicious/noExplicitAny: the payload of any event
  body: any;
  clientKey: string;
}

export interface ExpressAddon {
  ace: ace.AddOn;
  url: string;
  descriptorUrl: string;
  /** Every POST, whatever became of it. */
  calls: ExpressCall[];
  /** Those that passed ACE's own check: pushes at its own route, forks at one guarded by addon.authenticate(). */
  webhooks: AcceptedWebhook[];
  /** What becomes of ACE's 204 to `installed`, the client being stored by then. */
  afterStoring: 'answer' | '500' | 'silence';
  /** The client ACE keeps, by its clientKey. */
  client(clientKey: string): Promise<ace.ClientInfo | undefined>;
  forget(clientKey: string): Promise<void>;
  stop(): Promise<void>;
}

const DESCRIPTOR = 'test/clients/fixtures/atlassian-connect.json';
const ADAPTER = 'memory-of-the-tests';

export interface ExpressAddonOptions {
  product?: 'bitbucket' | 'jira';
  /** Path of its baseUrl, below the origin. */
  basePath?: string;
}

export async function expressAddon({
  product = 'bitbucket',
  basePath = '',
}: ExpressAddonOptions = {}): Promise<ExpressAddon> {
  const app = express();
  app.set('env', 'development');
  const server = createServer(app);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  app.use(express.json({ verify: (request, _response, bytes) => bodies.set(request, bytes) }));
  app.use(record((call) => addon.calls.push(call)));
  app.post('*/installed', (_request, response, next) => {
    const send = response.send.bind(response);
    response.send = (body) => {
      if (response.statusCode !== 204 || addon.afterStoring === 'answer') return send(body);
      if (addon.afterStoring === 'silence') return response;
      response.statusCode = 500;
      return send('No space left on device');
    };
    next();
  });

  const listenersBefore = process.listeners('unhandledRejection');
  const instance = await startAce(app, product, url + basePath);
  app.use(instance.middleware());
  app.post(`${basePath}/uninstalled`, instance.authenticateInstall(), (_request, response) => {
    response.status(204).send();
  });
  const accept = (event: string, body: unknown, request: Request) => {
    const { context } = request as Request & { context: { clientKey: string } };
    addon.webhooks.push({ event, body, clientKey: context.clientKey });
  };
  instance.on('repo:push', accept);
  // ACE takes the query of a webhook's url for a part of its path: such a one needs a route of one's own.
  app.post(`${basePath}/hooks/fork`, instance.authenticate(), (request, response) => {
    accept('repo:fork', request.body, request);
    response.status(204).send();
  });

  const addon: ExpressAddon = {
    ace: instance,
    url,
    descriptorUrl: `${url}${basePath}/${DESCRIPTOR}`,
    calls: [],
    webhooks: [],
    afterStoring: 'answer',
    client: (clientKey) => instance.settings.get('clientInfo', clientKey),
    forget: (clientKey) => instance.settings.del('clientInfo', clientKey),
    async stop() {
      for (const listener of process.listeners('unhandledRejection')) {
        if (!listenersBefore.includes(listener)) process.off('unhandledRejection', listener);
      }
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return addon;
}

const bodies = new WeakMap<object, Buffer>();

function record(add: (call: ExpressCall) => void): RequestHandler {
  return (request, response, next) => {
    if (request.method === 'POST') {
      const call: ExpressCall = {
        method: request.method,
        url: request.originalUrl,
        headers: request.headers,
        body: bodies.get(request) ?? Buffer.alloc(0),
        status: undefined,
      };
      response.on('finish', () => {
        call.status = response.statusCode;
      });
      add(call);
    }
    next();
  };
}

async function startAce(
  app: express.Express,
  product: string,
  baseUrl: string,
): Promise<ace.AddOn> {
  const development = {
    product,
    localBaseUrl: baseUrl,
    whitelist: ['127.0.0.1'],
    store: { adapter: ADAPTER },
    watch: false,
  };
  let instance: ace.AddOn;
  await new Promise<void>((resolve) => {
    instance = ace(
      app,
      { config: { development } },
      silent,
      { descriptorFilename: DESCRIPTOR },
      resolve,
    );
  });
  return instance!;
}

const silent = Object.assign(Object.create(console), {
  info() {},
  warn() {},
  error() {},
}) as Console;

// ACE's own memory store is sequelize on the sqlite3 package, which it does not bring along.
ace.store.register(ADAPTER, () => {
  const values = new Map<string, unknown>();
  const store = {
    get: async (key: string, clientKey: string) => values.get(`${clientKey}:${key}`),
    set: async (key: string, value: unknown, clientKey: string) => {
      values.set(`${clientKey}:${key}`, value);
      return value;
    },
    del: async (key: string, clientKey: string) => {
      values.delete(`${clientKey}:${key}`);
    },
    saveInstallation: (value: unknown, clientKey: string) =>
      store.set('clientInfo', value, clientKey),
    isMemoryStore: () => true,
  };
  return store as unknown as ace.StoreAdapter;
});
