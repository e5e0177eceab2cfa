// What createHost takes: defaults, then validation, in one place.

import { existsSync, readFileSync } from 'node:fs';
import type { Context } from 'koa';
import { isRange, type OutboundPolicy } from '../core/addresses.ts';
import type { Clock } from '../core/clock.ts';
import { MortiseError } from '../core/errors.ts';
import { createLogger, type Logger } from '../core/log.ts';
import { writeProblem } from '../core/problem.ts';
import { randomSecret } from '../core/secrets.ts';
import type { Principal } from '../lifecycle/payload.ts';
import type { OidcClient } from '../oauth/oidc.ts';
import { compilePlatform } from '../platform/compile.ts';
import type { PlatformDefinition } from '../platform/definition.ts';
import type { Platform } from '../platform/platform.ts';
import { isPostgresUrl } from '../store/open-store.ts';

export interface HostOptions {
  /** The platform definition: a path to its JSON file, or the object itself. */
  platform: string | PlatformDefinition;
  /**
   * `sqlite:PATH`, a path, or `:memory:`; or `postgres://user:password@host/database`, whose tables are in the schema
   * `mortise`.
   */
  database: string;
  /** The origin add-ons and clients reach the host at, without a path: `https://code.example`. */
  baseUrl: string;
  /** What an operator sends as `Authorization: Bearer …`. Without it the operator API answers 401 to everybody. */
  operatorToken?: string;
  /** What a scraper sends as `Authorization: Bearer …` to /metrics; the operator token is good for it too. */
  metricsToken?: string;
  /** 32 bytes, base64: encrypts secrets at rest. Compulsory, except with `dev` on a memory database. */
  secretKey?: string;
  /** Older keys, still able to open what they sealed. */
  previousSecretKeys?: string[];
  /** Development on this machine: loopback and plain-http add-ons are allowed. Default false. */
  dev?: boolean;
  /** CIDR ranges that may be called although they are not public: this deployment's own network. */
  allowAddresses?: string[];
  /** Ports that may be called over https, besides 443; with `dev`, any on loopback. */
  allowPorts?: number[];
  /** The account an add-on is installed for, as its `installed` call names it. */
  principal?: (context: string) => Principal | Promise<Principal>;
  /**
   * Who is signed in to the product. Without it people sign in by `signIn`; without that too, `dev` has a sign-in
   * page that takes any name, and without `dev` nobody can consent.
   */
  currentUser?: (ctx: Context) => User | undefined | Promise<User | undefined>;
  /** Where the product signs people in; they come back to `returnTo`, an address on baseUrl. */
  signInUrl?: (returnTo: string) => string;
  /** Sign-in through the product's OpenID Connect provider, where there is no `currentUser`. */
  signIn?: SignInOptions;
  /**
   * Who may use /operator, besides those whom `signIn.operatorClaim` names. Default: with `dev` and its own sign-in
   * page everybody, else nobody.
   */
  isOperator?: (user: User) => boolean | Promise<boolean>;
  /** The context of consumers registered through the operator API that name none. */
  defaultOwner?: string;
  /** What a user can choose from when they consent. */
  directory?: Directory;
  /**
   * Writes what a guarded route refuses, in the product's own shape; status and headers are set already.
   * Default: RFC 9457 problem documents.
   */
  answerRefusal?: (ctx: Context, error: MortiseError) => void;
  /** How long is kept what was published, and the log of what came of it. */
  retention?: RetentionOptions;
  /**
   * Threads that sign and send webhooks, from 1 to 31; 0: the product's own thread does. Default 1, and 0 where a
   * thread could not join in: with a memory database, or a `clock` of the caller's own.
   */
  deliveryThreads?: number;
  /** A pino logger, or a level. Default: `info`. */
  log?: Logger | string;
  /** Default: the store's. On PostgreSQL that is the database's own, whatever this machine's says; on SQLite the system's. */
  clock?: Clock;
  /** [0, 1): jitter. */
  random?: () => number;
}

export interface RetentionOptions {
  /** Days an event is kept; a day goes as a whole, in UTC. At least 4. Default 7. */
  eventDays?: number;
  /** Days that attempts, and other calls to add-ons, stay in the log. At least 4. Default 30. */
  attemptDays?: number;
}

export interface SignInOptions {
  /** As the provider writes it; its metadata is at `/.well-known/openid-configuration` below. */
  issuer: string;
  /** Registered there with the redirect URI `<baseUrl>/signin/callback`. */
  clientId: string;
  clientSecret: string;
  /** What makes an operator, `name=value`: the value is the claim, or in the claim's list. */
  operatorClaim?: string;
}

/** Somebody who signs in to the product. */
export interface User {
  id: string;
  name?: string;
}

export interface Directory {
  /** Where this user may install add-ons and register consumers. */
  contexts(user: User): Promise<{ id: string; name: string }[]> | { id: string; name: string }[];
  /** What a grant can be limited to in a context. */
  resources(
    context: string,
    kind: string,
  ): Promise<{ id: string; name: string }[]> | { id: string; name: string }[];
}

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
    throw missing(
      'database',
      'where to keep everything',
      'Set MORTISE_DATABASE_URL=sqlite:PATH or postgres://user:password@host/database.',
    );
  if (isPostgresUrl(database)) return readPostgresUrl(database);
  const path = database.replace(/^sqlite:/, '');
  if (path === '')
    throw invalid('database', `"${database}" names no file.`, 'Write it like sqlite:./mortise.db');
  return path.replace(/^\/\/(?=\/|\.)/, '');
}

/** It holds a password, so it is not repeated. */
function readPostgresUrl(text: string): string {
  const example = 'Write it like postgres://user:password@host:5432/database.';
  if (!URL.canParse(text))
    throw invalid(
      'database',
      'The postgres URL is not a URL.',
      `${example} Percent-encode special characters.`,
    );
  if (new URL(text).pathname.length < 2)
    throw invalid('database', 'The postgres URL names no database.', example);
  return text;
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

function readPolicy(
  { allowAddresses = [], allowPorts = [] }: HostOptions,
  isDev: boolean,
): OutboundPolicy {
  for (const range of allowAddresses) {
    if (isRange(range)) continue;
    throw invalid(
      'allowAddresses',
      `"${range}" is not a range of addresses.`,
      'Write it like 10.20.0.0/16 or fd12::/16, a single address like 10.20.0.1/32.',
    );
  }
  for (const port of allowPorts) {
    if (Number.isInteger(port) && port > 0 && port <= 65_535) continue;
    throw invalid('allowPorts', `"${port}" is not a port.`, 'Write it like 8443.');
  }
  return { loopback: isDev, ranges: allowAddresses, ports: allowPorts };
}

function readSignIn(signIn: SignInOptions | undefined, isDev: boolean): OidcClient | undefined {
  if (signIn === undefined) return undefined;
  const { issuer, clientId, clientSecret, operatorClaim } = signIn;
  if (!clientId)
    throw missing(
      'signIn.clientId',
      'who this host is at the OpenID provider',
      'Set MORTISE_OIDC_CLIENT_ID to what the provider registered.',
    );
  if (!clientSecret)
    throw missing(
      'signIn.clientSecret',
      'how this host proves itself to the OpenID provider',
      'Set MORTISE_OIDC_CLIENT_SECRET to what the provider registered.',
    );
  return {
    issuer: readIssuer(issuer, isDev),
    clientId,
    clientSecret,
    operatorClaim: operatorClaim ? readClaim(operatorClaim) : undefined,
    isPlainHttpAllowed: isDev,
  };
}

function readIssuer(text: string, isDev: boolean): string {
  const option = 'signIn.issuer';
  const example = 'Set MORTISE_OIDC_ISSUER like https://id.example, as the provider writes it.';
  if (!text) throw missing(option, 'the OpenID provider', example);
  if (!URL.canParse(text)) throw invalid(option, `"${text}" is not a URL.`, example);
  const url = new URL(text);
  if (url.username || url.password || url.search || url.hash)
    throw invalid(option, 'An issuer has no user, query or fragment.', example);
  // openid-client would take the address of the metadata too, and then not check who the issuer is.
  if (url.pathname.includes('/.well-known/'))
    throw invalid(option, `"${text}" is the address of the metadata, not the issuer.`, example);
  if (url.protocol !== 'https:' && !(isDev && url.protocol === 'http:')) {
    throw invalid(
      option,
      `"${text}" is not https.`,
      'Use https, or --dev for development on this machine.',
    );
  }
  return text;
}

function readClaim(text: string): { name: string; value: string } {
  const at = text.indexOf('=');
  const [name, value] = [text.slice(0, at), text.slice(at + 1)];
  if (at > 0 && value !== '') return { name, value };
  throw invalid(
    'signIn.operatorClaim',
    `"${text}" is not a claim and its value.`,
    'Set MORTISE_OIDC_OPERATOR_CLAIM like groups=platform-operators.',
  );
}

function temporaryKey(isDev: boolean, database: string): string {
  if (isDev && database === ':memory:')
    return Buffer.from(randomSecret(), 'base64url').toString('base64');
  throw missing(
    'secretKey',
    'the key that encrypts secrets at rest',
    `Set MORTISE_SECRET_KEY to 32 bytes in base64; make one with: node -p "crypto.randomBytes(32).toString('base64')"`,
  );
}

const DAY_MS = 24 * 3_600_000;
/** A delivery is owed for three days from its fan-out, and its event must outlive it. */
const FEWEST_DAYS = 4;
const MOST_DAYS = 3_650;

function readRetention({ eventDays = 7, attemptDays = 30 }: RetentionOptions = {}) {
  for (const [name, days] of Object.entries({ eventDays, attemptDays })) {
    if (Number.isInteger(days) && days >= FEWEST_DAYS && days <= MOST_DAYS) continue;
    throw invalid(
      `retention.${name}`,
      `"${days}" is not a whole number from ${FEWEST_DAYS} to ${MOST_DAYS}.`,
      `Give at least ${FEWEST_DAYS}: deliveries are owed for 3 days, and whole days are dropped.`,
    );
  }
  return { events: eventDays * DAY_MS, attempts: attemptDays * DAY_MS };
}

const MOST_THREADS = 31;

function readThreads({ deliveryThreads, clock }: HostOptions, database: string): number {
  const isAlone = database === ':memory:' || clock !== undefined;
  const threads = deliveryThreads ?? (isAlone ? 0 : 1);
  if (Number.isInteger(threads) && threads >= 0 && threads <= (isAlone ? 0 : MOST_THREADS)) {
    return threads;
  }
  throw invalid(
    'deliveryThreads',
    isAlone && threads > 0
      ? 'Threads cannot see a database in memory, or a clock of your own.'
      : `"${threads}" is not a whole number from 0 to ${MOST_THREADS}.`,
    'Leave it out, or give 0.',
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
