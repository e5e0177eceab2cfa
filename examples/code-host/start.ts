// The sample code host: a product with Mortise inside. Its own first user.
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Router from '@koa/router';
import Koa from 'koa';
import { createHost, devData, type Host, rememberUrl } from 'mortise';
import { openProductDatabase } from './database.ts';
import { frontPage } from './front-page.ts';
import { Repositories } from './git.ts';
import { type GitParts, gitRoutes } from './git-http.ts';
import { Payloads } from './payloads.ts';
import { PushRecorder } from './record-push.ts';
import { answerRefusal } from './rest/errors.ts';
import { issueRoutes } from './rest/issues.ts';
import { repositoryRoutes } from './rest/repositories.ts';
import { statusRoutes } from './rest/statuses.ts';
import { findUser, seedUsers } from './users.ts';

const PLATFORM = fileURLToPath(new URL('../../platforms/bitbucket.json', import.meta.url));
const REPOSITORIES = ['acme/site'];

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
  parts: GitParts;
  close(): Promise<void>;
}

export async function startCodeHost(options: CodeHostOptions): Promise<CodeHost> {
  const secrets = devData(options.dataFolder);
  const operatorToken = options.operatorToken ?? secrets.operatorToken;
  const server = await listen(options.port);
  const url = `http://localhost:${(server.address() as { port: number }).port}`;
  const payloads = new Payloads(url);
  const database = options.database ?? `sqlite:${join(options.dataFolder, 'code-host.db')}`;
  const host = createHost({
    platform: PLATFORM,
    database,
    baseUrl: url,
    operatorToken,
    secretKey: options.secretKey ?? secrets.secretKey,
    dev: true,
    principal: (context) => payloads.workspace(context),
    answerRefusal,
    log: options.logLevel ?? 'warn',
  });
  const db = openProductDatabase(database.replace(/^sqlite:/, ''));
  const { alicePassword } = seedUsers(db, options.dataFolder);
  const repositories = new Repositories(join(options.dataFolder, 'repositories'));
  for (const name of REPOSITORIES) await repositories.create(name);
  const pushes = new PushRecorder(db, repositories, payloads, host);
  const parts: GitParts = { db, host, repositories, payloads, pushes };

  const router = new Router();
  frontPage(router, parts, REPOSITORIES);
  repositoryRoutes(router, parts);
  statusRoutes(router, parts);
  issueRoutes(router, parts);
  gitRoutes(router, parts);
  const app = new Koa();
  app.use(host.routes());
  app.use(router.routes());
  server.on('request', app.callback());

  await host.start();
  rememberUrl(options.dataFolder, url);
  // A push that git accepted and nobody recorded, because this process was killed in between.
  for (const name of REPOSITORIES) await pushes.record(name, payloads.user(findUser(db, 'alice')!));

  return {
    url,
    host,
    operatorToken,
    alicePassword,
    parts,
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
