// The seam between the rules and the rows. Every method is one whole transaction with a name; there is
// no general transaction(async …), because an await inside one lets another request's writes vanish
// in its rollback. Callers always await. sqlite/ and postgres/ implement it; nothing above this folder knows how.
import type { Clock } from '../core/clock.ts';
import type { DeliveryStore } from './delivery-store.ts';
import type { EngineStore } from './engine-store.ts';
import type { EventStore } from './event-store.ts';
import type { ExplanationStore } from './explanation-store.ts';
import type { GrantStore, SecurityEventStore } from './grant-store.ts';
import type { InstallationStore } from './installation-store.ts';
import type { InstallKeyStore, LifecycleStore } from './lifecycle-store.ts';
import type {
  AuthorizationStore,
  ClientStore,
  ConsentStore,
  ConsumerStore,
  SessionStore,
  TokenStore,
  UsedScopeStore,
} from './oauth-store.ts';
import type { Oauth1Store } from './oauth1-store.ts';
import type { ReplayStore } from './replay-store.ts';

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
