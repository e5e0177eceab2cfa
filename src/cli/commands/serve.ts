// mortise serve: the host beside a product in any language.
import { createServer, type Server } from 'node:http';
import { join } from 'node:path';
import type { Command } from 'commander';
import Koa from 'koa';
import { MortiseError } from '../../core/errors.ts';
import { createHost, type Host } from '../../create-host.ts';
import { devData, rememberUrl } from '../../host/dev-data.ts';
import type { SignInOptions } from '../../host/options.ts';
import { DEFAULT_DATA } from '../operator-client.ts';

interface ServeOptions {
  platform?: string;
  port?: string;
  listen?: string;
  baseUrl?: string;
  database?: string;
  data: string;
  dev?: boolean;
  eventDays?: string;
  attemptDays?: string;
  deliveryThreads?: string;
  logLevel: string;
  json?: boolean;
}

const DEFAULT_PORT = 8470;
const LOOPBACK = '127.0.0.1';

export function addServeCommand(program: Command): void {
  program
    .command('serve')
    .description('run the host beside a product')
    .option('--platform <file>', 'the platform definition, such as platforms/bitbucket.json')
    .option('--port <port>', `where to listen (PORT; default ${DEFAULT_PORT})`)
    .option(
      '--listen <address>',
      'the address to listen on (default: all; with --dev loopback only)',
    )
    .option('--base-url <url>', 'the origin add-ons reach the host at (MORTISE_BASE_URL)')
    .option('--database <url>', 'sqlite:PATH or postgres://… (MORTISE_DATABASE_URL)')
    .option(
      '--data <folder>',
      'the data folder for --dev',
      process.env.MORTISE_DATA ?? DEFAULT_DATA,
    )
    .option(
      '--dev',
      'development on this machine: loopback and plain-http add-ons, token and key in the data folder',
    )
    .option('--event-days <days>', 'how long events are kept (MORTISE_EVENT_DAYS; default 7)')
    .option(
      '--attempt-days <days>',
      'how long attempts are kept (MORTISE_ATTEMPT_DAYS; default 30)',
    )
    .option(
      '--delivery-threads <count>',
      'threads that sign and send webhooks (MORTISE_DELIVERY_THREADS; default 1)',
    )
    .option('--log-level <level>', 'trace, debug, info, warn, error or silent', 'warn')
    .option('--json', 'print JSON when it is ready')
    .action(serve);
}

async function serve(options: ServeOptions): Promise<void> {
  const isDev = options.dev ?? false;
  const address = options.listen ?? (isDev ? LOOPBACK : undefined);
  const server = await listen(readPort(options.port ?? process.env.PORT), address);
  try {
    const host = await start(server, options, isDev);
    const ready = options.json
      ? JSON.stringify({ url: host.baseUrl })
      : `mortise listening on ${host.baseUrl}`;
    process.stdout.write(`${ready}\n`);
    stopOnSignal(server, host);
  } catch (error) {
    server.close();
    throw error;
  }
}

async function start(server: Server, options: ServeOptions, isDev: boolean): Promise<Host> {
  const { port } = server.address() as { port: number };
  const dev = isDev ? devData(options.data) : undefined;
  const { MORTISE_DATABASE_URL, MORTISE_BASE_URL, MORTISE_OPERATOR_TOKEN } = process.env;
  const { MORTISE_SECRET_KEY, MORTISE_SECRET_KEY_PREVIOUS } = process.env;
  const { MORTISE_ALLOW_ADDRESSES, MORTISE_ALLOW_PORTS } = process.env;
  const host = createHost({
    platform: options.platform ?? '',
    database:
      options.database ?? MORTISE_DATABASE_URL ?? (isDev ? join(options.data, 'mortise.db') : ''),
    baseUrl: options.baseUrl ?? MORTISE_BASE_URL ?? (isDev ? `http://localhost:${port}` : ''),
    operatorToken: MORTISE_OPERATOR_TOKEN ?? dev?.operatorToken ?? requireOperatorToken(),
    metricsToken: process.env.MORTISE_METRICS_TOKEN,
    secretKey: MORTISE_SECRET_KEY ?? dev?.secretKey,
    previousSecretKeys: readList(MORTISE_SECRET_KEY_PREVIOUS),
    allowAddresses: readList(MORTISE_ALLOW_ADDRESSES),
    allowPorts: readList(MORTISE_ALLOW_PORTS)?.map(Number),
    signIn: readSignIn(),
    retention: {
      eventDays: readNumber(options.eventDays ?? process.env.MORTISE_EVENT_DAYS),
      attemptDays: readNumber(options.attemptDays ?? process.env.MORTISE_ATTEMPT_DAYS),
    },
    deliveryThreads: readNumber(options.deliveryThreads ?? process.env.MORTISE_DELIVERY_THREADS),
    dev: isDev,
    log: options.logLevel,
  });
  const app = new Koa();
  app.use(host.routes());
  app.use((ctx) => {
    ctx.status = 404;
    ctx.body = { code: 'not_found', title: `There is no ${ctx.path}.` };
  });
  server.on('request', app.callback());
  await host.start();
  if (isDev) rememberUrl(options.data, host.baseUrl);
  return host;
}

function readNumber(text: string | undefined): number | undefined {
  return text === undefined || text === '' ? undefined : Number(text);
}

function readList(text: string | undefined): string[] | undefined {
  return text
    ?.split(',')
    .map((item) => item.trim())
    .filter(Boolean);
}

/** None without an issuer: the host starts all the same, and its pages say what to set. */
function readSignIn(): SignInOptions | undefined {
  const { MORTISE_OIDC_ISSUER, MORTISE_OIDC_OPERATOR_CLAIM } = process.env;
  const { MORTISE_OIDC_CLIENT_ID, MORTISE_OIDC_CLIENT_SECRET } = process.env;
  if (!MORTISE_OIDC_ISSUER) return undefined;
  return {
    issuer: MORTISE_OIDC_ISSUER,
    clientId: MORTISE_OIDC_CLIENT_ID ?? '',
    clientSecret: MORTISE_OIDC_CLIENT_SECRET ?? '',
    operatorClaim: MORTISE_OIDC_OPERATOR_CLAIM,
  };
}

/** Lets what is under way end; a second signal does not wait. */
function stopOnSignal(server: Server, host: Host): void {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => {
      process.once(signal, () => process.exit(1));
      server.close();
      server.closeIdleConnections();
      void host.close().then(() => process.exit(0));
    });
  }
}

function readPort(text: string | undefined): number {
  if (text === undefined || text === '') return DEFAULT_PORT;
  const port = Number(text);
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return port;
  throw new MortiseError({
    code: 'option_invalid',
    status: 500,
    message: `The port is "${text}".`,
    hint: `Give a number from 0 to 65535, such as ${DEFAULT_PORT}; 0 takes any free one.`,
  });
}

/** Listens first, since the port may be part of the base URL. */
function listen(port: number, address: string | undefined): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer().listen(port, address);
    server.once('listening', () => resolve(server));
    server.once('error', (error: NodeJS.ErrnoException) => {
      reject(
        new MortiseError({
          code: 'port_unusable',
          status: 500,
          message: `Port ${port} cannot be listened on: ${error.code === 'EADDRINUSE' ? 'another process does' : error.message}.`,
          hint: 'Choose another one with --port or PORT.',
        }),
      );
    });
  });
}

function requireOperatorToken(): never {
  throw new MortiseError({
    code: 'option_missing',
    status: 500,
    message: 'MORTISE_OPERATOR_TOKEN is not set: nobody could use the operator API.',
    hint: `Set it to a long random text: node -p "crypto.randomBytes(32).toString('base64url')". For development on this machine use --dev.`,
  });
}
