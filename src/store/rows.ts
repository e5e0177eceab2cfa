// What is stored, as the layers above see it. Times are milliseconds since 1970.

export type InstallationState = 'pending' | 'enabled' | 'disabled' | 'uninstalled';

export interface InstallationRow {
  id: string;
  addonKey: string;
  /** '' where the platform has no contexts. */
  context: string;
  clientKey: string;
  oauthClientId: string;
  state: InstallationState;
  /** Grows with every change that the gate in front of a delivery must see. */
  epoch: number;
  descriptorUrl: string | null;
  /** Character for character as the descriptor in force has it. */
  baseUrl: string | null;
  /** The descriptor in force, as JSON text; null until the first install is acknowledged. */
  descriptor: string | null;
  descriptorDigest: string | null;
  /** Counts descriptors that came into force, from 1. */
  descriptorVersion: number;
  /** Sealed `{shared, webhook}`: what the add-on has acknowledged, and what it may have stored. */
  acknowledgedSecrets: string | null;
  candidateSecrets: string | null;
  /** Sealed alike: what a rotation has replaced, and until when it is good beside the acknowledged ones. */
  previousSecrets: string | null;
  previousSecretsUntil: number | null;
  createdAt: number;
  updatedAt: number;
  installedAt: number | null;
  uninstalledAt: number | null;
}

export interface HandshakeProposal {
  id: string;
  installationId: string;
  /** The epoch of the row this was made from; null when there was none. */
  expectedEpoch: number | null;
  addonKey: string;
  context: string;
  /** Used only when the installation is new. */
  clientKey: string;
  oauthClientId: string;
  oauthSecretHash: Buffer;
  grantId: string;
  scopes: string[];
  resources: string[] | null;
  descriptorUrl: string | null;
  baseUrl: string;
  descriptor: string;
  descriptorDigest: string;
  candidateSecrets: string;
  /** The add-on has moved to another origin, and that is meant. */
  acceptNewOrigin?: boolean;
  holder: string;
  at: number;
  /** After this the handshake counts as refused, whoever forgot it. */
  deadline: number;
}

export interface HandshakeRow {
  id: string;
  grantId: string;
  installation: InstallationRow;
}

export interface GrantRow {
  id: string;
  clientId: string;
  installationId: string | null;
  userId: string | null;
  /** `installation` and `consumer` act for themselves in a context, `user` for a person. */
  kind: 'installation' | 'consumer' | 'user' | 'act_as_user';
  /** null for a user's grant: the product knows where its users may go. */
  context: string | null;
  /** As granted, without what they imply. */
  scopes: string[];
  /** null = all. */
  resources: string[] | null;
  since: number;
  until: number | null;
  endedBecause: string | null;
}

export interface WebhookRow {
  id: string;
  installationId: string;
  /** An event type, or `*`. */
  event: string;
  /** Absolute. */
  url: string;
  since: number;
  until: number | null;
  /** The number of the last event that was published before; the store's own, not the caller's to say. */
  sinceSeq: number;
  /** The add-on answered 410: nothing is sent there until it is installed again or recovered. */
  offSince: number | null;
}

/** One event type that one webhook is told of under the present grant. */
export interface Subscription {
  eventType: string;
  webhookId: string;
}

export interface ClientRow {
  id: string;
  kind: 'installation' | 'consumer';
  /** null for consumers registered by hand. */
  installationId: string | null;
  name: string;
  redirectUris: string[];
  /** What a consumer may ask for; null = all (registered before scopes existed). */
  scopes: string[] | null;
  isPublic: boolean;
  secretHash: Buffer | null;
  /** The secret before the last rotation, while it is still good. */
  previous: { secretHash: Buffer; until: number } | null;
  /** The secret of a handshake under way, valid until its deadline or its end. */
  handshake: { id: string; secretHash: Buffer; deadline: number; grantId: string } | null;
  isEnabled: boolean;
}

export interface AccessTokenRow {
  tokenHash: Buffer;
  grantId: string;
  clientId: string;
  scopes: string[];
  resources: string[] | null;
  createdAt: number;
  expiresAt: number;
  /** The refresh family it belongs to, if any. */
  familyId?: string;
}

/** What decides on a token, and what the product is told of whose it is. */
export interface TokenCheck {
  clientId: string;
  /** What the consumer may ask for at all; null = all. */
  clientScopes: string[] | null;
  scopes: string[];
  resources: string[] | null;
  expiresAt: number;
  revokedAt: number | null;
  grant: Pick<GrantRow, 'id' | 'userId' | 'kind' | 'context' | 'scopes' | 'resources' | 'until'> & {
    handshakeDeadline: number | null;
  };
  installation: CallingInstallation | null;
}

export type CallingInstallation = Pick<
  InstallationRow,
  'id' | 'addonKey' | 'context' | 'clientKey' | 'state'
>;

export interface EventRow {
  id: string;
  type: string;
  context: string;
  resource: string | null;
  actor: string | null;
  /** Events of one key reach each webhook in the order they were published in. */
  orderingKey: string | null;
  /** W3C trace id, 32 hex digits. */
  traceId: string | null;
  payload: Buffer;
  createdAt: number;
  idempotency: { key: string; bodyHash: Buffer; expiresAt: number } | null;
}

export interface OwedDelivery {
  id: string;
  installationId: string;
  webhookId: string;
  /** Orders events, and finds this one. */
  eventSeq: number;
  eventId: string;
  eventType: string;
  eventAt: number;
  orderingKey: string | null;
  /** The replay that owes it again. */
  replayId: string | null;
  /** 'now': what was granted when the event was published does not count, only what is granted now. */
  allowed: 'now' | null;
  /** Attempts made so far. */
  attempts: number;
  dueAt: number;
  expiresAt: number;
}

/** What one chunk of fan-out has made. */
export interface FannedOut {
  owed: OwedDelivery[];
  /** Events that were looked at: 0 when none is waiting. */
  events: number;
  /** Some wait until more of what is in hand has ended. */
  isHolding: boolean;
}

/** Whom a delivery is for, as things stand. */
export interface Recipient {
  installation: InstallationRow;
  grant: GrantRow | undefined;
  /** By id, also those that have ended. */
  webhooks: Map<string, WebhookRow>;
}

/** How an installation's endpoint fares; all of it null and 0 when it is well. */
export interface LaneState {
  installationId: string;
  /** In a row. */
  failures: number;
  failingSince: number | null;
  /** Probes in a row that failed while the breaker was open. */
  probes: number;
  /** The breaker: nothing but a probe goes out, and not before this. */
  openUntil: number | null;
  /** The endpoint asked for silence until then (Retry-After). */
  silentUntil: number | null;
  /** No success for days: probed, and healed by the first. */
  pausedAt: number | null;
}

/** How an installation's deliveries fare, as the store knows it. */
export interface DeliveryHealth {
  /** undefined: the engine has nothing to say against it. */
  lane: LaneState | undefined;
  /** Of those that are owed and have failed before: the most failures of one, and when the oldest was published. */
  retrying: { attempts: number; since: number } | undefined;
  webhooksOff: WebhookRow[];
}

export type DeliveryState = 'pending' | 'retrying' | 'delivered' | 'failed' | 'dropped';

/** What came of one attempt. A delivery that the gate dropped has one numbered 0. */
export interface AttemptRecord {
  delivery: OwedDelivery;
  /** A probe of an open breaker: its failure is in the log, and uses up no attempt. */
  isProbe?: boolean;
  number: number;
  at: number;
  durationMs: number;
  outcome: 'delivered' | 'failed' | 'dropped' | 'retry';
  /** HTTP status, if there was an answer. */
  status: number | null;
  /** Why it failed or was dropped: a stable code and a sentence. */
  reason: string | null;
  message: string | null;
  responseExcerpt: string | null;
  url: string;
  withheld: Withheld[];
  nextDueAt: number | null;
}

/** A field that was left out, by JSON pointer (`*` for every element), and the scope it needs. */
export interface Withheld {
  pointer: string;
  scope: string;
}

export interface Delivery {
  id: string;
  installationId: string;
  addonKey: string;
  context: string;
  webhookId: string;
  eventId: string;
  eventType: string;
  state: DeliveryState;
  attempts: number;
  reason: string | null;
  createdAt: number;
  nextAttemptAt: number | null;
  endedAt: number | null;
  withheld: Withheld[];
  /** The replay that owes it again, or that ended it last. */
  replayId: string | null;
}

/** One attempt as it is kept. */
export type LoggedAttempt = Omit<AttemptRecord, 'delivery' | 'isProbe'> & {
  replayId: string | null;
};

export interface DeliveryView extends Delivery {
  /** null where the event is past retention. */
  traceId: string | null;
  log: LoggedAttempt[];
}

export interface DeliveryFilter {
  installationId?: string;
  eventId?: string;
  state?: DeliveryState;
  since?: number;
  after?: string;
  limit: number;
}

export interface Page<T> {
  items: T[];
  next: string | null;
}

export type CallKind =
  | 'installed'
  | 'uninstalled'
  | 'enabled'
  | 'disabled'
  | 'scopesChanged'
  | 'webhooksPaused'
  | 'webhooksResumed';

export interface LifecycleCall {
  id: string;
  installationId: string;
  kind: CallKind;
  attempts: number;
  dueAt: number;
  createdAt: number;
}

/** One HTTP exchange with an add-on, about its installation or to try its webhooks, as an operator may see it: no secrets. */
export interface ExchangeRecord {
  id: string;
  installationId: string;
  kind: CallKind | 'test';
  attempt: number;
  method: string;
  url: string;
  status: number | null;
  errorCode: string | null;
  message: string | null;
  excerpt: string | null;
  at: number;
  durationMs: number;
}

export interface InstallKeyRow {
  kid: string;
  publicPem: string;
  privateSealed: string;
  createdAt: number;
}
