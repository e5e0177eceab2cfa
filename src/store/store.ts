// The seam between the rules and the rows. Every method is one whole transaction with a name; there is
// no general transaction(async …), because an await inside one lets another request's writes vanish
// in its rollback. Callers always await. sqlite/ implements it; nothing above this folder knows how.
import type { Clock } from '../core/clock.ts';
import type { ExplainedEvent, ToldFacts, ToldOf } from './explanation-rows.ts';
import type {
  CodeRedemption,
  ConsentRow,
  Consumer,
  ConsumerChange,
  DueSecurityEvent,
  Granted,
  GrantView,
  NewCode,
  NewConsumer,
  Redeemed,
  Rotated,
  Rotation,
  SecurityEvent,
  SecurityEventAttempt,
  SessionRow,
  SignInRow,
  UserGrant,
} from './oauth-rows.ts';
import type {
  Exchange,
  Exchanged,
  FoundRequestToken,
  NonceUse,
  Oauth1Consumer,
  Oauth1Token,
  RequestTokenRow,
  UsedScope,
} from './oauth1-rows.ts';
import type {
  NewReplay,
  ReplayChunk,
  ReplayCount,
  ReplayRow,
  ReplaySelection,
} from './replay-rows.ts';
import type {
  AccessTokenRow,
  AttemptRecord,
  ClientRow,
  Delivery,
  DeliveryFilter,
  DeliveryHealth,
  DeliveryView,
  EventRow,
  ExchangeRecord,
  FannedOut,
  GrantRow,
  HandshakeProposal,
  HandshakeRow,
  InstallationRow,
  InstallationState,
  InstallKeyRow,
  LaneState,
  LifecycleCall,
  OwedDelivery,
  Page,
  Recipient,
  Subscription,
  TokenCheck,
  WebhookRow,
} from './rows.ts';

export interface Store {
  installKeys: InstallKeyStore;
  installations: InstallationStore;
  lifecycle: LifecycleStore;
  clients: ClientStore;
  consumers: ConsumerStore;
  consents: ConsentStore;
  authorization: AuthorizationStore;
  oauth1: Oauth1Store;
  grants: GrantStore;
  securityEvents: SecurityEventStore;
  usedScopes: UsedScopeStore;
  sessions: SessionStore;
  tokens: TokenStore;
  events: EventStore;
  deliveries: DeliveryStore;
  explanations: ExplanationStore;
  replays: ReplayStore;
  engine: EngineStore;
  /** By which all who share it store and compare times. */
  clock: Clock;
  close(): Promise<void>;
}

export interface InstallKeyStore {
  /** Newest first; retired keys stay as long as a token they signed may live. */
  list(): Promise<InstallKeyRow[]>;
  /** Adds the key unless there is one already (two processes may start together); returns the one in use. */
  addFirst(key: InstallKeyRow): Promise<InstallKeyRow>;
}

export interface InstallationStore {
  find(id: string): Promise<InstallationRow | undefined>;
  findByAddon(addonKey: string, context: string): Promise<InstallationRow | undefined>;
  findByClientKey(clientKey: string): Promise<InstallationRow | undefined>;
  /** Any installation of this add-on, in whatever context: who else uses the key. */
  findOthers(addonKey: string): Promise<InstallationRow[]>;
  /** Newest first, uninstalled ones only when asked for by state. */
  list(query: {
    state?: InstallationState;
    after?: string;
    limit: number;
  }): Promise<InstallationRow[]>;
  /** The grant in force, with the webhooks under it. */
  findGrant(installationId: string): Promise<GrantRow | undefined>;
  /** The grant of a handshake under way; undefined once it has ended. */
  findHandshakeGrant(grantId: string): Promise<GrantRow | undefined>;
  findWebhooks(installationId: string): Promise<WebhookRow[]>;
  /**
   * Opens a handshake: makes the row if it is new, and a grant that is in force for this handshake only.
   * @returns undefined if another call to this add-on is under way, or the row has changed since the proposal was made
   *   from it; the other origin if one uses this add-on's key, here or elsewhere, and that was not accepted.
   */
  beginHandshake(
    proposal: HandshakeProposal,
  ): Promise<HandshakeRow | { takenBy: string } | undefined>;
  /**
   * The add-on said 2xx: everything proposed comes into force, the previous grant ends, its tokens move over, and
   * lifecycle calls still owed are superseded: this one told everything anew.
   * @throws install_cancelled if it was cancelled, or its deadline has passed
   */
  acceptHandshake(
    id: string,
    change: GrantChange & { webhooks: WebhookRow[]; call?: LifecycleCall },
  ): Promise<InstallationRow>;
  /**
   * The add-on said 2xx to new secrets: they come into force, what they replace stays good until `previousUntil`, and
   * all else is as it was; what was minted during the call lives on under the grant that stands.
   * @throws rotation_cancelled if it was cancelled, or its deadline has passed
   */
  acceptRotation(
    id: string,
    change: { at: number; previousUntil: number },
  ): Promise<InstallationRow>;
  /** It did not: grant and credentials of this handshake die, the candidate secret stays. */
  refuseHandshake(id: string, at: number): Promise<void>;
  /** Refuses those whose deadline has passed: whoever ran them is gone. */
  refuseForgottenHandshakes(now: number): Promise<void>;
  /** Deletes what rotations have replaced and what is good no more: of installations and of consumers. */
  forgetPreviousSecrets(now: number): Promise<void>;
  /** Ends grant, tokens and subscriptions, and owes the goodbye. False if it was uninstalled already. */
  uninstall(id: string, at: number, goodbye: LifecycleCall | undefined): Promise<boolean>;
  /**
   * A re-install under way is refused with it: its late yes must not undo this. undefined if it is not installed, or
   * has changed since `expectedEpoch` was read, where that is given.
   */
  setState(
    id: string,
    state: 'enabled' | 'disabled',
    change: GrantChange & { expectedEpoch?: number; call?: LifecycleCall },
  ): Promise<InstallationRow | undefined>;
  /** Replaces the grant in force; tokens move to the new one and lose what it does not cover. Otherwise as setState. */
  setGrant(
    id: string,
    grant: { id: string; scopes: string[]; resources: string[] | null },
    change: GrantChange & { expectedEpoch?: number; call?: LifecycleCall },
  ): Promise<InstallationRow | undefined>;
  /**
   * What an operator or the add-on itself declares well: the breaker closes, silence and pause end, webhooks that a 410
   * switched off are on again, under these subscriptions. Otherwise as setState.
   * @param change `ifPaused` is owed then: it was told that it was.
   * @returns also the webhooks that were off
   */
  recover(
    id: string,
    change: GrantChange & { expectedEpoch: number; ifPaused?: LifecycleCall },
  ): Promise<{ installation: InstallationRow; webhooksOn: string[] } | undefined>;
  /** Installations of this process's share that were recovered, each told once: whoever sends to them asks. */
  takeRecovered(): Promise<string[]>;
  /** Rewrites what each installation is told of, after the platform definition has changed. */
  replaceSubscriptions(
    installationId: string,
    subscriptions: Subscription[],
    at: number,
  ): Promise<void>;
  /** Whether the subscriptions were made from this platform definition; remembers it. */
  isPlatformKnown(digest: string): Promise<boolean>;
  rememberPlatform(digest: string): Promise<void>;
}

export interface GrantChange {
  at: number;
  subscriptions: Subscription[];
}

/** Lifecycle calls are made one at a time per installation, whichever process makes them. */
export interface LifecycleStore {
  /** False if a call to this installation is under way and its hold has not run out. */
  hold(installationId: string, holder: string, now: number, until: number): Promise<boolean>;
  release(installationId: string, holder: string): Promise<void>;
  /** The oldest call owed to each installation, if it is due. */
  due(now: number, limit: number): Promise<LifecycleCall[]>;
  nextDueAt(): Promise<number | undefined>;
  /** Undefined when it was superseded meanwhile. */
  findOwed(id: string): Promise<LifecycleCall | undefined>;
  /** Ends the call, or moves it; the exchange is kept either way. */
  record(
    callId: string,
    result: { state: 'done' | 'failed' } | { state: 'owed'; dueAt: number },
    exchange: ExchangeRecord,
  ): Promise<void>;
  /** The add-on declares no address for it any more: nothing is owed. */
  drop(callId: string): Promise<void>;
  /** An exchange that belongs to no owed call: the install handshake. */
  addExchange(exchange: ExchangeRecord): Promise<void>;
  exchanges(installationId: string, limit: number): Promise<ExchangeRecord[]>;
}

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

/** OAuth 1.0a (RFC 5849). What of it is dead when its grant ends is found by looking at the grant, as everywhere. */
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

/**
 * Who is told that a grant was taken back. Owed by what ends a grant against its client's will, in that transaction, if
 * the client has an address; superseded when the same user takes back more, or grants anew.
 */
export interface SecurityEventStore {
  /** The first that is due of each client. */
  due(now: number, limit: number): Promise<DueSecurityEvent[]>;
  nextDueAt(): Promise<number | undefined>;
  /** Ends it, or moves it, unless it was superseded; the attempt is kept either way. */
  record(
    id: string,
    result: { state: 'accepted' | 'failed' } | { state: 'owed'; dueAt: number },
    attempt: SecurityEventAttempt,
  ): Promise<void>;
  /** Its client has no address any more. */
  drop(id: string): Promise<void>;
  /** Newest first. */
  list(query: { clientId?: string; after?: string; limit: number }): Promise<SecurityEvent[]>;
  find(id: string): Promise<(SecurityEvent & { log: SecurityEventAttempt[] }) | undefined>;
}

/** Which scopes consumers really use. */
export interface UsedScopeStore {
  /** At most once a minute is written. */
  note(clientId: string, scope: string, at: number): Promise<void>;
  list(clientId: string): Promise<UsedScope[]>;
}

/** Grants as their givers and operators see them. */
export interface GrantStore {
  find(id: string): Promise<GrantView | undefined>;
  /** In force, newest first. */
  list(query: { userId?: string; after?: string; limit: number }): Promise<GrantView[]>;
  findOfUser(userId: string, clientId: string): Promise<GrantView | undefined>;
  /** The grant under which a consumer acts for its owner. */
  findOwn(clientId: string): Promise<GrantRow | undefined>;
  /**
   * Tokens, codes and refresh tokens under it are dead when this resolves, and its client is owed word of it. False if
   * it had ended.
   */
  end(id: string, at: number, because: string): Promise<boolean>;
  /** With these scopes only from now on, as its client is owed word of; ends it if none is left. */
  narrow(id: string, newId: string, scopes: string[], at: number): Promise<boolean>;
  /** At most once a minute is written. */
  noteUse(id: string, at: number, from: string): Promise<void>;
  /**
   * The grant under which an installation acts as a user: made on first use, never wider than the installation's own,
   * and ended with it. Undefined for a user who is deactivated, or has taken it back since the add-on was installed; and
   * if the installation's own has ended since it was read.
   */
  actAs(own: GrantRow, userId: string, newId: string, at: number): Promise<GrantRow | undefined>;
  /** Ends every grant of a user, which each client is owed word of, and refuses new ones. */
  deactivateUser(userId: string, at: number): Promise<number>;
  isDeactivated(userId: string): Promise<boolean>;
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

export interface TokenStore {
  mint(token: AccessTokenRow): Promise<void>;
  /** One indexed join: token, grant, client and installation as they are now. */
  check(tokenHash: Buffer): Promise<TokenCheck | undefined>;
  revoke(tokenHash: Buffer, at: number): Promise<void>;
}

/** Events of deliveries that are about to be sent. */
export interface OwedEventStore {
  /** The event of a delivery; undefined when it is past retention. */
  findOwed(delivery: Pick<OwedDelivery, 'eventSeq' | 'eventAt'>): Promise<EventRow | undefined>;
  /** Those that are there, each once. */
  findAllOwed(deliveries: Pick<OwedDelivery, 'eventSeq' | 'eventAt'>[]): Promise<EventRow[]>;
}

export interface EventStore extends OwedEventStore {
  /**
   * Event and outbox rows in one transaction; a batch is all or nothing.
   * @returns the ids, those of the first time for what was published before under the same key.
   * @throws idempotency_conflict if a key was used for another body
   */
  publish(events: EventRow[]): Promise<string[]>;
  /**
   * The same inside the caller's own open transaction; nothing is published unless that commits.
   * @returns at once on SQLite, where nothing may come between.
   * @throws transaction_unusable if the handle is not a transaction on Mortise's own database.
   */
  publishWithin(transaction: unknown, events: EventRow[]): string[] | Promise<string[]>;
  find(id: string): Promise<EventRow | undefined>;
  /** Everything published before this time is past retention; 0 while nothing is. */
  forgottenBefore(): Promise<number>;
  /**
   * Turns published events of this process's share into deliveries, found by the presence of outbox rows.
   * @param expiresAfterMs how long a delivery is owed.
   * @returns those that this process sends; of the others those who do hear.
   */
  fanOut(limit: number, now: number, expiresAfterMs: number): Promise<FannedOut>;
}

/** What the gate asks. */
export interface GateStore {
  /** Installation, grant and webhooks as they are at this moment. */
  recipient(installationId: string): Promise<Recipient | undefined>;
  /**
   * Synchronous by contract: whether nothing the gate looked at has changed since `epoch` was read. What was answered
   * to whoever changed it is never overlooked. False also where that is not certain: after `recipient` it is.
   */
  isCurrent(installationId: string, epoch: number): boolean;
}

export interface OwedLane {
  installationId: string;
  /** The earliest time at which something is due. */
  dueAt: number;
  /** How its endpoint fares; undefined: well. */
  state: LaneState | undefined;
}

export interface DeliveryStore extends GateStore {
  /** Every installation of this process's share that is owed something. */
  lanes(): Promise<OwedLane[]>;
  /**
   * The head of one installation's queue: what is due, oldest first, and when to look again: when the next one is due, or
   * sooner; undefined: nothing else is owed. Of the events of one order only the first that is owed.
   */
  window(
    installationId: string,
    now: number,
    limit: number,
  ): Promise<{ due: OwedDelivery[]; nextDueAt: number | undefined }>;
  /** Group commit of what came of attempts: delete what is done, move what is retried, keep the log. */
  record(results: Results): Promise<void>;
  /** Ends up to `limit` deliveries of an installation without sending them, each with an attempt numbered 0. @returns how many */
  endUnsent(
    installationId: string,
    because: { reason: string; message: string; at: number },
    which: Unsendable,
    limit: number,
  ): Promise<number>;
  /** How it fares with one installation. */
  health(installationId: string): Promise<DeliveryHealth>;
  find(id: string): Promise<DeliveryView | undefined>;
  list(filter: DeliveryFilter): Promise<Page<Delivery>>;
}

/** What a thread that makes attempts reads, over a connection of its own. */
export interface AttemptStore {
  events: OwedEventStore;
  gate: GateStore;
  /** As of the store. */
  clock: Clock;
  close(): Promise<void>;
}

/** Which deliveries of an installation; everything where nothing is said. */
export interface Unsendable {
  /** None, if the installation has changed since. */
  epoch?: number;
  /** Owed for too long by then. */
  expiredBefore?: number;
  /** Events up to this number, to this webhook. */
  eventsUpTo?: number;
  webhookId?: string;
  /** Not what a replay owes that asks nothing of then. */
  sparesNow?: boolean;
}

/** Why an event was told to whom, and to whom it was not. */
export interface ExplanationStore {
  /**
   * Those who could have been told: installed in the event's context when it was published, or now. By id, newest
   * first, those below `after`.
   */
  outcomes(event: ExplainedEvent, query: { after?: string; limit: number }): Promise<ToldOf[]>;
  /** In the order of the ids; one that is unknown is left out. */
  facts(event: ExplainedEvent, installationIds: string[]): Promise<ToldFacts[]>;
}

/** What is recorded in one transaction. */
export interface Results {
  attempts: AttemptRecord[];
  /** How these endpoints fare now. */
  lanes?: LaneState[];
  /** Lifecycle calls that tell add-ons of it. */
  calls?: LifecycleCall[];
  /** It was asked for before and failed: where a commit may have been made unheard, what is there is not written again. */
  isRepeated?: boolean;
}

/** Deliveries owed again, each replay chunk by chunk. */
export interface ReplayStore {
  create(replay: NewReplay): Promise<void>;
  find(id: string): Promise<ReplayRow | undefined>;
  /** Newest first. */
  list(query: { after?: string; limit: number }): Promise<ReplayRow[]>;
  /** Oldest first. */
  running(): Promise<ReplayRow[]>;
  /** What is not made due yet never will be. Nothing happens to one that has ended. undefined if there is none. */
  cancel(id: string, at: number): Promise<ReplayRow | undefined>;
  /** One page of what it would take; the first with null. */
  count(what: ReplaySelection, cursor: string | null): Promise<ReplayCount>;
  /**
   * Makes the next deliveries due and moves the replay on, at most `most` of them. One that is owed already is passed
   * over, and so is one whose event is past retention. undefined if it does not run any more.
   */
  advance(
    id: string,
    chunk: { most: number; now: number; expiresAfterMs: number },
  ): Promise<ReplayChunk | undefined>;
}

/** Who counts what this process commits, so that nothing is ever counted by looking at tables. */
export interface StoreObserver {
  /** @param ms that the transaction took; `writes` shared it. */
  committed(ms: number, writes: number): void;
  /** @param ms until what was committed was on the disk. */
  synced(ms: number): void;
  /** So many deliveries are owed by this process more than before; fewer, if others owe them now. */
  owed(count: number): void;
  /** So many of those that were owed ended. */
  ended(
    count: number,
    outcome: Exclude<AttemptRecord['outcome'], 'retry'>,
    reason: string | null,
  ): void;
}

/** `YYYYMMDD`, UTC; 00000000: from before there were days. */
export interface DroppedDay {
  kind: 'events' | 'attempts';
  day: string;
}

/** Rows, by table, where there were any. */
export type Swept = Record<string, number>;

/** Held until it is released, the process ends, or it is lost. */
export interface EngineLock {
  /** Synchronous: false as soon as another process may have it. */
  isHeld(): boolean;
  /** Resolves when it is not held any more, though nobody has released it. */
  readonly lost: Promise<void>;
  release(): Promise<void>;
}

/**
 * The installations to which this process sends, and the events that it fans out. Who shares with it, and how, only the
 * store knows; it changes while processes come and go.
 */
export interface Share extends EngineLock {
  /** Synchronous: whether anything may begin for this installation. Once it may not, another will soon. */
  includes(installationId: string): boolean;
  /** Of 256 parts. */
  readonly size: number;
  /** Takes what is free; when it resolves, the sender knows what is owed there. */
  start(sender: Sender): Promise<void>;
  /** What others have left to do in it since the last call; undefined: nothing. Cheap, and asked many times a second. */
  lookForWork(): Promise<FoundWork | undefined>;
  /** Hands it over, part by part as nothing is under way there any more; the rest when `drained` resolves. */
  release(drained?: Promise<void>): Promise<void>;
}

export interface FoundWork {
  /** What others have made due. It may have been read from the table before. */
  owed: OwedDelivery[];
  /** To whom others have made due what is not among it. */
  installationIds: string[];
  /** There is something to fan out, or somebody has recovered; perhaps. */
  hasMore: boolean;
}

/** Who sends for a share, and hears of its changes. */
export interface Sender {
  /** What is owed in a part that it has taken. */
  taken(lanes: OwedLane[]): void;
  /** Some of it is to be handed over: what was not begun there is not its own any more. */
  letGo(): void;
  /** Installations that are not of the share, for which something is under way or not recorded. */
  lingering(): string[];
  /** Word of something owed was lost on the way: it is to be looked for. */
  mayOweMore(): void;
}

export interface EngineStore {
  /** The right to do for all what one process does; undefined if another has it. */
  tryLock(): Promise<EngineLock | undefined>;
  /** A share of what is to be sent; undefined if another process has all of it, and keeps it. */
  tryShare(): Promise<Share | undefined>;
  /** Whether others have left something to do for all since the last call; cheap, and asked many times a second. */
  hasForeignChanges(): Promise<boolean>;
  /** Makes room for what comes in the next day, and lets go of whole days that are past retention. */
  turnDays(now: number, retention: { events: number; attempts: number }): Promise<DroppedDay[]>;
  /**
   * Lets go, in many short transactions, of rows that nothing can ask for any more: keys and tokens that expired more
   * than a day before `now`, and of what came before `loggedSince`, handshakes and calls that have ended.
   */
  sweep(now: number, loggedSince: number): Promise<Swept>;
}
