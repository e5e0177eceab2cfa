// What OAuth needs to remember beside grants and access tokens. Times are milliseconds since 1970.

/** A consumer as it is registered: everything but its secret. */
export interface Consumer {
  id: string;
  name: string;
  redirectUris: string[];
  /** Where it is told that a grant to it was taken back or narrowed. */
  eventsUri: string | null;
  /** null: registered before scopes existed, all access. Never confused with []. */
  scopes: string[] | null;
  isPublic: boolean;
  /** The context it belongs to, and acts for with client credentials. */
  ownerContext: string;
  ownerUser: string | null;
  /** Also an OAuth 1.0a consumer. */
  isOauth1: boolean;
  createdAt: number;
  updatedAt: number | null;
}

export interface NewConsumer extends Omit<Consumer, 'updatedAt' | 'isOauth1'> {
  secretHash: Buffer | null;
  /** Sealed; OAuth 1 signatures are verified with the secret itself. */
  oauth1Secret: string | null;
  /** Of the grant under which it acts for its owner; undefined for public consumers. */
  ownGrantId: string | undefined;
}

export interface ConsumerChange {
  name?: string;
  redirectUris?: string[];
  /** null: nowhere any more. */
  eventsUri?: string | null;
  scopes?: string[];
  /** From now on OAuth 2 only: its OAuth 1 secret goes, and every token signed with it. */
  closesOauth1?: boolean;
  /** Of the grant that replaces its own when the scopes change. */
  ownGrantId: string;
}

export interface ConsentRow {
  idHash: Buffer;
  clientId: string;
  userId: string;
  sessionHash: Buffer;
  /** The validated request, as JSON. */
  request: string;
  createdAt: number;
  expiresAt: number;
}

/** Somebody signed in on Mortise's own pages. */
export interface SessionRow {
  idHash: Buffer;
  userId: string;
  userName: string | null;
  isOperator: boolean;
  /** The OpenID provider that said so; null: the development page. */
  issuer: string | null;
  createdAt: number;
  expiresAt: number;
}

/** A sign-in under way at the OpenID provider. */
export interface SignInRow {
  /** The browser that began it. */
  sessionHash: Buffer;
  stateHash: Buffer;
  sealed: string;
  returnTo: string;
  expiresAt: number;
}

export interface NewCode {
  codeHash: Buffer;
  redirectUri: string | null;
  codeChallenge: string | null;
  scopes: string[];
  createdAt: number;
  expiresAt: number;
}

export interface UserGrant {
  id: string;
  clientId: string;
  userId: string;
  scopes: string[];
  /** null = all. */
  resources: string[] | null;
  /** The grant in force that this one was planned from; null if there was none. */
  basedOn: string | null;
}

/** `changed`: the grant it was planned from is not in force any more, or another is; nothing was written. */
export type Granted = 'granted' | 'changed' | 'user-deactivated';

/** A grant as its giver sees it. */
export interface GrantView {
  id: string;
  clientId: string;
  consumerName: string;
  /** Registered before scopes existed. */
  isGrandfathered: boolean;
  userId: string | null;
  installationId: string | null;
  kind: string;
  context: string | null;
  scopes: string[];
  resources: string[] | null;
  since: number;
  lastUsedAt: number | null;
  lastUsedFrom: string | null;
}

export interface NewTokens {
  accessTokenHash: Buffer;
  refreshTokenHash: Buffer;
  createdAt: number;
  accessExpiresAt: number;
  refreshExpiresAt: number;
}

export interface CodeRedemption extends NewTokens {
  codeHash: Buffer;
  clientId: string;
  familyId: string;
  /** When the family ends, and everything minted in it; null while it is used. */
  familyExpiresAt: number | null;
  /** What is left of the code's scopes under the grant as it is now. */
  within: (scopes: string[], granted: string[]) => string[];
  /** Decides, inside the transaction, on what the code was made for. A sentence refuses. */
  check: (code: { redirectUri: string | null; codeChallenge: string | null }) => string | undefined;
}

export type Redeemed =
  | { kind: 'redeemed'; scopes: string[]; accessExpiresAt: number }
  /** Used before: what was made from it is revoked. */
  | { kind: 'reused' }
  | { kind: 'refused'; reason: string };

export interface Rotation extends NewTokens {
  tokenHash: Buffer;
  clientId: string;
  /** Whether the immediate predecessor may come again within `graceMs` without ending the family. */
  hasGrace: boolean;
  graceMs: number;
  /** The scopes of the new access token; a sentence refuses, and the token is not used up. */
  narrow: (
    scopes: string[],
    granted: string[],
  ) => { scopes: string[] } | { reason: string; code: 'invalid_scope' };
}

export type Rotated =
  | { kind: 'rotated'; scopes: string[]; accessExpiresAt: number }
  /** The predecessor came again too soon to be theft: refused, nothing ends. */
  | { kind: 'raced' }
  | { kind: 'reused' }
  | { kind: 'refused'; reason: string; code?: 'invalid_scope' };

export type SecurityEventState = 'owed' | 'accepted' | 'failed' | 'dropped' | 'superseded';

/** That a user's grant ended or was narrowed, for the consumer or add-on it was given to. */
export interface SecurityEvent {
  /** Of the grant that ended. */
  id: string;
  clientId: string;
  userId: string;
  /** What is left; empty: nothing. */
  scopes: string[];
  state: SecurityEventState;
  /** Made so far. */
  attempts: number;
  dueAt: number;
  createdAt: number;
}

/** One that is due, with where its client is told: an address, or an installation whose descriptor has one. */
export interface DueSecurityEvent extends SecurityEvent {
  eventsUri: string | null;
  installationId: string | null;
}

/** One try to push one, as an operator may see it: no secrets. */
export interface SecurityEventAttempt {
  number: number;
  at: number;
  url: string;
  /** HTTP status; null if there was no answer. */
  status: number | null;
  errorCode: string | null;
  message: string | null;
  excerpt: string | null;
  durationMs: number;
}
