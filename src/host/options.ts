// What createHost takes.
import type { Context } from 'koa';
import type { Clock } from '../core/clock.ts';
import type { MortiseError } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import type { Principal } from '../lifecycle/payload.ts';
import type { PlatformDefinition } from '../platform/definition.ts';

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
