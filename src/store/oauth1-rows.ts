// What OAuth 1.0a needs to remember. Times are milliseconds since 1970; secrets are sealed, since they verify signatures.
import type { GrantRow } from './rows.ts';

/** A consumer that may sign. */
export interface Oauth1Consumer {
  id: string;
  name: string;
  /** null: registered before scopes existed, all access. Never confused with []. */
  scopes: string[] | null;
  redirectUris: string[];
  secret: string;
  /** The secret before the last rotation, while it is still good. */
  previous: { secret: string; until: number } | null;
}

export interface RequestTokenRow {
  tokenHash: Buffer;
  clientId: string;
  secret: string;
  /** `oob`: the verifier is shown to the user. */
  callback: string;
  createdAt: number;
  expiresAt: number;
}

export interface FoundRequestToken extends RequestTokenRow {
  /** A user has allowed it, so nobody else is asked. */
  isAllowed: boolean;
}

export interface Oauth1Token {
  clientId: string;
  secret: string;
  revokedAt: number | null;
  grant: GrantRow;
  /** Whoever gave the grant took a scope out of it since. */
  isNarrowed: boolean;
}

export interface NonceUse {
  clientId: string;
  /** Empty without one. */
  token: string;
  /** Seconds since 1970. */
  timestamp: number;
  nonce: string;
}

export interface Exchange {
  requestTokenHash: Buffer;
  clientId: string;
  verifierHash: Buffer;
  /** After so many wrong verifiers the request token is dead. */
  mostWrongVerifiers: number;
  accessTokenHash: Buffer;
  secret: string;
  createdAt: number;
}

export type Exchanged =
  | { kind: 'exchanged' }
  | { kind: 'wrong-verifier' }
  /** Unknown, another consumer's, not allowed by a user, expired, used, or its grant has ended. */
  | { kind: 'refused' };

export interface UsedScope {
  scope: string;
  lastUsedAt: number;
}
