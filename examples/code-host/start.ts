// The sample code host: a product with Mortise inside. Its own first user.
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Router from '@koa/router';
import Koa from 'koa';
import { createHost, devData, type Host, rememberUrl } from 'mortise';
import { listRepositories, seedRepositories } from './catalogue.ts';
import { openProductDatabase } from './database.ts';
import { directory } from './directory.ts';
import { frontPage } from './front-page.ts';
import { Repositories } from './git.ts';
import { gitRoutes } from './git-http.ts';
import { installedHooks } from './installed-hooks.ts';
import type { CodeHostParts } from './parts.ts';
import { Payloads } from './payloads.ts';
import { PushRecorder } from './record-push.ts';
import type { Route } from './rest/api.ts';
import { answerRefusal } from './rest/errors.ts';
import { restApi } from './rest/index.ts';
import { seedUsers } from './users.ts';
import { seedWorkspaces } from './workspaces.ts';

const PLATFORM = fileURLToPath(new URL('../../platforms/bitbucket.json', import.meta.url));
const OPERATOR = 'alice';

export interface CodeHostOptions {
  /** 0 takes any free port. */
  port: number;
  /** Where database, repositories and the development secrets are kept. */
  dataFolder: string;
  /** `sqlite:PATH`; default: in the data folder. */
  database?: string;
  operatorToken?: string;
  secretKey?: string;
  logLevel?: string;
}

export interface CodeHost {
  url: string;
  host: Host;
  operatorToken: string;
  alicePassword: string;
  parts: CodeHostParts;
  /** Every route of the REST API, as `api` of the platform definition has them. */
  routes: readonly Route[];
  close(): Promise<void>;
}

export async function startCodeHost(options: CodeHostOptions): Promise<CodeHost> {
  const secrets = devData(options.dataFolder);
  const operatorToken = options.operatorToken ?? secrets.operatorToken;
  const server = await listen(options.port);
  const url = `http://localhost:${(server.address() as { port: number }).port}`;
  const database = options.database ?? `sqlite:${join(options.dataFolder, 'code-host.db')}`;
  const host = createHost({
    platform: PLATFORM,
    database,
    baseUrl: url,
    operatorToken,
    secretKey: options.secretKey ?? secrets.secretKey,
    dev: true,
    defaultOwner: 'acme',
    directory: directory(() => db),
    isOperator: ({ id }) => id === OPERATOR,
    principal: (context) => payloads.workspace(context),
    answerRefusal,
    log: options.logLevel ?? 'warn',
  });
  const db = openProductDatabase(database.replace(/^sqlite:/, ''));
  const { alicePassword } = seedUsers(db, options.dataFolder);
  seedWorkspaces(db);
  seedRepositories(db);
  const payloads = new Payloads(url, db);
  const repositories = new Repositories(join(options.dataFolder, 'repositories'));
  const names = listRepositories(db).map((row) => row.full_name);
  for (const name of names) await repositories.create(name);
  const pushes = new PushRecorder({ db, host, repositories, payloads });
  const hooks = installedHooks(url, operatorToken);
  const parts: CodeHostParts = { db, host, repositories, payloads, pushes, hooks };

  const router = new Router();
  frontPage(router, parts);
  const { routes } = restApi(router, parts);
  gitRoutes(router, parts);
  const app = new Koa();
  app.use(host.routes());
  app.use(router.routes());
  server.on('request', app.callback());

  await host.start();
  rememberUrl(options.dataFolder, url);
  // A push that git accepted and nobody recorded, because this process was killed in between.
  for (const name of names) await pushes.record(name, 'user alice');

  return {
    url,
    host,
    operatorToken,
    alicePassword,
    parts,
    routes,
    async close() {
      server.close();
      server.closeAllConnections();
      await host.close();
      db.close();
    },
  };
}

/** Listens first, since the port is part of the base URL. */
function listen(port: number): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer().listen(port, '127.0.0.1');
    server.once('listening', () => resolve(server));
    server.once('error', reject);
  });
}
