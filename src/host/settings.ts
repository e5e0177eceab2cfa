// What the host goes by: defaults, then validation. What is said of one option lies in settings/.
import type { Context } from 'koa';
import type { OutboundPolicy } from '../core/addresses.ts';
import type { Clock } from '../core/clock.ts';
import type { MortiseError } from '../core/errors.ts';
import { createLogger, type Logger } from '../core/log.ts';
import { writeProblem } from '../core/problem.ts';
import type { Principal } from '../lifecycle/payload.ts';
import type { OidcClient } from '../oauth/oidc.ts';
import type { Platform } from '../platform/platform.ts';
import type { Directory, HostOptions, User } from './options.ts';
import { readBaseUrl } from './settings/base-url.ts';
import { readDatabase } from './settings/database.ts';
import { readPlatform } from './settings/platform.ts';
import { readPolicy } from './settings/policy.ts';
import { readRetention } from './settings/retention.ts';
import { temporaryKey } from './settings/secret-key.ts';
import { readSignIn } from './settings/sign-in.ts';
import { readThreads } from './settings/threads.ts';

export interface HostSettings {
  platform: Platform;
  /** A `postgres://…` URL, the path of an SQLite file, or `:memory:`. */
  database: string;
  baseUrl: string;
  operatorToken: string | undefined;
  metricsToken: string | undefined;
  secretKey: string;
  previousSecretKeys: string[];
  policy: OutboundPolicy;
  principal: NonNullable<HostOptions['principal']>;
  answerRefusal: (ctx: Context, error: MortiseError) => void;
  isDev: boolean;
  currentUser: HostOptions['currentUser'];
  signInUrl: HostOptions['signInUrl'];
  signIn: OidcClient | undefined;
  isOperator: (user: User) => boolean | Promise<boolean>;
  directory: Directory | undefined;
  defaultOwner: string | undefined;
  /** Milliseconds. */
  retention: { events: number; attempts: number };
  deliveryThreads: number;
  log: Logger;
  clock: Clock;
  random: () => number;
}

/** @returns without the clock, which may be the store's. @throws option_missing, option_invalid, platform_invalid */
export function readOptions(options: HostOptions): Omit<HostSettings, 'clock'> {
  const isDev = options.dev ?? false;
  const database = readDatabase(options.database);
  const isOpen = isDev && options.currentUser === undefined && options.signIn === undefined;
  return {
    platform: readPlatform(options.platform),
    database,
    baseUrl: readBaseUrl(options.baseUrl, isDev),
    operatorToken: options.operatorToken,
    metricsToken: options.metricsToken || undefined,
    secretKey: options.secretKey ?? temporaryKey(isDev, database),
    previousSecretKeys: options.previousSecretKeys ?? [],
    policy: readPolicy(options, isDev),
    principal: options.principal ?? defaultPrincipal,
    answerRefusal: refusalWriter(options.answerRefusal),
    isDev,
    currentUser: options.currentUser,
    signInUrl: options.signInUrl,
    signIn: options.currentUser ? undefined : readSignIn(options.signIn, isDev),
    isOperator: options.isOperator ?? (() => isOpen),
    directory: options.directory,
    defaultOwner: options.defaultOwner,
    retention: readRetention(options.retention),
    deliveryThreads: readThreads(options, database),
    log: readLog(options.log),
    random: options.random ?? Math.random,
  };
}

function readLog(log: HostOptions['log']): Logger {
  return typeof log === 'object' ? log : createLogger(log ?? 'info');
}

function refusalWriter(own: HostOptions['answerRefusal']) {
  return (ctx: Context, error: MortiseError): void => {
    ctx.status = error.status;
    if (own) own(ctx, error);
    else writeProblem(ctx, error);
  };
}

function defaultPrincipal(context: string): Principal {
  return { type: 'team', uuid: context, username: context, display_name: context, links: {} };
}
