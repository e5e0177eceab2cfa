// What the authorization server asks and changes.
import type {
  CodeRedemption,
  ConsentRow,
  Consumer,
  ConsumerChange,
  Granted,
  NewCode,
  NewConsumer,
  Redeemed,
  Rotated,
  Rotation,
  SessionRow,
  SignInRow,
  UserGrant,
} from './oauth-rows.ts';
import type { UsedScope } from './oauth1-rows.ts';
import type { AccessTokenRow, ClientRow, TokenCheck } from './rows.ts';

export interface ClientStore {
  find(id: string): Promise<ClientRow | undefined>;
}

/** Consumers registered by hand; those of installations come and go with them. */
export interface ConsumerStore {
  create(consumer: NewConsumer): Promise<Consumer>;
  find(id: string): Promise<Consumer | undefined>;
  /** Newest first. */
  list(query: { ownerUser?: string; after?: string; limit: number }): Promise<Consumer[]>;
  /** New scopes end the old own grant; users' grants lose what is no longer asked when they are checked. */
  change(id: string, change: ConsumerChange, at: number): Promise<Consumer | undefined>;
  /** The old secret stays good until `previousUntil`. The sealed one is for those that sign. False if there is no such consumer. */
  rotateSecret(
    id: string,
    secret: { hash: Buffer; oauth1: string },
    at: number,
    previousUntil: number,
  ): Promise<boolean>;
  /** Ends every grant to it. */
  remove(id: string, at: number): Promise<boolean>;
}

/** Requests to authorize, each shown to one user in one session and answered once. */
export interface ConsentStore {
  open(consent: ConsentRow): Promise<void>;
  /** The request, still open; nothing is used up. */
  find(idHash: Buffer, now: number): Promise<ConsentRow | undefined>;
  /** Atomic: of n callers, one gets it. undefined if unknown, expired, answered, or another user's or session's. */
  take(
    idHash: Buffer,
    userId: string,
    sessionHash: Buffer,
    now: number,
  ): Promise<ConsentRow | undefined>;
}

/** Codes and refresh tokens: single use by conditional UPDATE, minting in the same transaction. */
export interface AuthorizationStore {
  /**
   * The user's grant to this consumer is replaced, its tokens move over; the code is for the new one. What was taken
   * back since the grant was planned does not come back with it.
   */
  grantAndIssueCode(grant: UserGrant, code: NewCode): Promise<Granted>;
  redeemCode(redemption: CodeRedemption): Promise<Redeemed>;
  rotate(rotation: Rotation): Promise<Rotated>;
  /** RFC 7009: a refresh token ends its grant. False if it is unknown or another client's. */
  revokeRefreshToken(tokenHash: Buffer, clientId: string, at: number): Promise<boolean>;
  /** An assertion's jti, once; false if it was seen before. */
  takeAssertion(issuer: string, jtiHash: Buffer, now: number, expiresAt: number): Promise<boolean>;
}

export interface TokenStore {
  mint(token: AccessTokenRow): Promise<void>;
  /** One indexed join: token, grant, client and installation as they are now. */
  check(tokenHash: Buffer): Promise<TokenCheck | undefined>;
  revoke(tokenHash: Buffer, at: number): Promise<void>;
}

/** Which scopes consumers really use. */
export interface UsedScopeStore {
  /** At most once a minute is written. */
  note(clientId: string, scope: string, at: number): Promise<void>;
  list(clientId: string): Promise<UsedScope[]>;
}

/** Who is signed in at Mortise's own pages. */
export interface SessionStore {
  open(session: SessionRow): Promise<void>;
  find(idHash: Buffer, now: number): Promise<SessionRow | undefined>;
  end(idHash: Buffer): Promise<void>;
  /** Replaces what this browser had begun before. */
  beginSignIn(signIn: SignInRow, now: number): Promise<void>;
  /** Once, in the browser that began it. */
  takeSignIn(sessionHash: Buffer, stateHash: Buffer, now: number): Promise<SignInRow | undefined>;
}
