// OAuth 1.0a (RFC 5849). What of it is dead when its grant ends is found by looking at the grant, as everywhere.
import type { Granted, UserGrant } from './oauth-rows.ts';
import type {
  Exchange,
  Exchanged,
  FoundRequestToken,
  NonceUse,
  Oauth1Consumer,
  Oauth1Token,
  RequestTokenRow,
} from './oauth1-rows.ts';

export interface Oauth1Store {
  /** Undefined if it is unknown, deleted, or no OAuth 1 consumer, or no longer. */
  findConsumer(id: string): Promise<Oauth1Consumer | undefined>;
  createRequestToken(token: RequestTokenRow): Promise<void>;
  /** Undefined if it is unknown, expired, used or denied. */
  findRequestToken(tokenHash: Buffer, now: number): Promise<FoundRequestToken | undefined>;
  /** Replaces the user's grant as grantAndIssueCode does, and binds the verifier. */
  allow(
    tokenHash: Buffer,
    verifierHash: Buffer,
    grant: UserGrant,
    at: number,
  ): Promise<Granted | 'over'>;
  deny(tokenHash: Buffer, at: number): Promise<void>;
  /** Request token for access token. Atomic: of n callers, one gets it. A wrong verifier is counted. */
  exchange(exchange: Exchange): Promise<Exchanged>;
  /** With its grant as it is now, in force or not. */
  findAccessToken(tokenHash: Buffer): Promise<Oauth1Token | undefined>;
  /** False if it was used before. Forgets those of timestamps before `oldestTimestamp`, in seconds. */
  takeNonce(use: NonceUse, oldestTimestamp: number): Promise<boolean>;
}
