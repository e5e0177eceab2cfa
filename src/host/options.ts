// What createHost takes: defaults, then validation, in one place.

import { existsSync, readFileSync } from 'node:fs';
import type { Context } from 'koa';
import { type OutboundPolicy, PUBLIC_ONLY } from '../core/addresses.ts';
import { type Clock, systemClock } from '../core/clock.ts';
import { MortiseError } from '../core/errors.ts';
import { createLogger, type Logger } from '../core/log.ts';
import { writeProblem } from '../core/problem.ts';
import { randomSecret } from '../core/secrets.ts';
import type { Principal } from '../lifecycle/payload.ts';
import { compilePlatform } from '../platform/compile.ts';
import type { PlatformDefinition } from '../platform/definition.ts';
import type { Platform } from '../platform/platform.ts';

export interface HostOptions {
  /** The platform definition: a path to its JSON file, or the object itself. */
  platform: string | PlatformDefinition;
  /** `sqlite:PATH`, a path, or `:memory:`. */
  database: string;
  /** The origin add-ons and clients reach the host at, without a path: `https://code.example`. */
  baseUrl: string;
  /** What an operator sends as `Authorization: Bearer …`. Without it the operator API answers 401 to everybody. */
  operatorToken?: string;
  /** 32 bytes, base64: encrypts secrets at rest. Compulsory, except with `dev` on a memory database. */
  secretKey?: string;
  /** Older keys, still able to open what they sealed. */
  previousSecretKeys?: string[];
  /** Development on this machine: loopback and plain-http add-ons are allowed. Default false. */
  dev?: boolean;
  /** CIDR ranges that may be called although they are not public: this deployment's own network. */
  allowAddresses?: string[];
  /** The account an add-on is installed for, as its `installed` call names it. */
  principal?: (context: string) => Principal | Promise<Principal>;
  /**
   * Writes what a guarded route refuses, in the product's own shape; status and headers are set already.
   * Default: RFC 9457 problem documents.
   */
  answerRefusal?: (ctx: Context, error: MortiseError) => void;
  /** A pino logger, or a level. Default: `info`. */
  log?: Logger | string;
  clock?: Clock;
  /** [0, 1): jitter. */
  random?: () => number;
}

export interface HostSettings {
  platform: Platform;
  databasePath: string;
  baseUrl: string;
  operatorToken: string | undefined;
  secretKey: string;
  previousSecretKeys: string[];
  policy: OutboundPolicy;
  principal: NonNullable<HostOptions['principal']>;
  answerRefusal: (ctx: Context, error: MortiseError) => void;
  log: Logger;
  clock: Clock;
  random: () => number;
}

/** @throws option_missing, option_invalid, platform_invalid */
export function readOptions(options: HostOptions): HostSettings {
  const isDev = options.dev ?? false;
  const databasePath = readDatabase(options.database);
  return {
    platform: readPlatform(options.platform),
    databasePath,
    baseUrl: readBaseUrl(options.baseUrl, isDev),
    operatorToken: options.operatorToken,
    secretKey: options.secretKey ?? temporaryKey(isDev, databasePath),
    previousSecretKeys: options.previousSecretKeys ?? [],
    policy: { ...PUBLIC_ONLY, loopback: isDev, ranges: options.allowAddresses ?? [] },
    principal: options.principal ?? defaultPrincipal,
    answerRefusal: refusalWriter(options.answerRefusal),
    log: readLog(options.log),
    clock: options.clock ?? systemClock,
    random: options.random ?? Math.random,
  };
}

function readPlatform(platform: HostOptions['platform']): Platform {
  if (typeof platform === 'object' && platform !== null)
    return compilePlatform(JSON.stringify(platform, null, 2));
  if (typeof platform !== 'string' || platform === '') {
    throw missing(
      'platform',
      'a platform definition',
      'Give the path of its JSON file, such as platforms/bitbucket.json.',
    );
  }
  if (!existsSync(platform)) {
    throw invalid(
      'platform',
      `There is no file "${platform}".`,
      'Give the path of a platform definition, such as platforms/bitbucket.json.',
    );
  }
  return compilePlatform(readFileSync(platform, 'utf8'), `platform definition ${platform}`);
}

function readDatabase(database: string): string {
  if (!database)
    throw missing('database', 'where to keep everything', 'Set MORTISE_DATABASE_URL=sqlite:PATH.');
  const [, scheme, path = ''] = /^(?:(sqlite|postgres|postgresql):)?(.*)$/s.exec(database)!;
  if (scheme?.startsWith('postgres')) {
    throw invalid('database', 'PostgreSQL is not supported yet.', 'Use sqlite:PATH.');
  }
  if (path === '')
    throw invalid('database', `"${database}" names no file.`, 'Write it like sqlite:./mortise.db');
  return path.replace(/^\/\/(?=\/|\.)/, '');
}

function readBaseUrl(text: string, isDev: boolean): string {
  if (!text)
    throw missing(
      'baseUrl',
      'the address add-ons reach this host at',
      'Set MORTISE_BASE_URL=https://code.example',
    );
  const example = 'Write it like https://code.example, without a path.';
  if (!URL.canParse(text)) throw invalid('baseUrl', `"${text}" is not a URL.`, example);
  const url = new URL(text);
  if (url.pathname !== '/' || url.search || url.hash || url.username) {
    throw invalid('baseUrl', `"${text}" is more than an origin.`, example);
  }
  if (url.protocol !== 'https:' && !(isDev && url.protocol === 'http:')) {
    throw invalid(
      'baseUrl',
      `"${text}" is not https.`,
      'Use https, or --dev for development on this machine.',
    );
  }
  return url.origin;
}

function temporaryKey(isDev: boolean, databasePath: string): string {
  if (isDev && databasePath === ':memory:')
    return Buffer.from(randomSecret(), 'base64url').toString('base64');
  throw missing(
    'secretKey',
    'the key that encrypts secrets at rest',
    `Set MORTISE_SECRET_KEY to 32 bytes in base64; make one with: node -p "crypto.randomBytes(32).toString('base64')"`,
  );
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

function missing(option: string, what: string, hint: string): MortiseError {
  return new MortiseError({
    code: 'option_missing',
    status: 500,
    message: `The option "${option}" is missing: ${what}.`,
    hint,
  });
}

function invalid(option: string, message: string, hint: string): MortiseError {
  return new MortiseError({
    code: 'option_invalid',
    status: 500,
    message: `The option "${option}" cannot be used. ${message}`,
    hint,
  });
}
