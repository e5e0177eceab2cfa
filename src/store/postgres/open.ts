// One PostgreSQL database as a Store: the parts. Nothing is connected to before the first call.
import type { StoreObserver } from '../observer.ts';
import type { Store } from '../store.ts';
import { authorizationStore } from './authorization.ts';
import { clientStore } from './clients.ts';
import { consentStore, sessionStore } from './consents.ts';
import { consumerStore } from './consumers.ts';
import { Database } from './database.ts';
import { DatabaseClock } from './database-clock.ts';
import { Days } from './days.ts';
import { deliveryStore } from './deliveries.ts';
import { deliveryViews } from './delivery-views.ts';
import { engineStore } from './engine.ts';
import { eventStore } from './events.ts';
import { explanationStore } from './explanations.ts';
import { grantStore } from './grant-views.ts';
import { installKeyStore } from './install-keys.ts';
import { installationStore } from './installations.ts';
import { lifecycleStore } from './lifecycle.ts';
import { oauth1Store } from './oauth1.ts';
import { openGate } from './open-for-attempts.ts';
import { OwnBuckets } from './own-buckets.ts';
import { replayStore } from './replays.ts';
import { securityEventStore } from './security-events.ts';
import { Starts } from './starts.ts';
import { tokenStore } from './tokens.ts';
import { usedScopeStore } from './used-scopes.ts';

export interface PostgresOptions {
  /** How long a share of the buckets, and the right to lead, last without renewal, milliseconds; more than 2,000. Default 15,000. */
  leaseMs?: number;
}

/** @param url `postgres://user:password@host:port/database`. */
export function openPostgres(
  url: string,
  observer?: StoreObserver,
  { leaseMs }: PostgresOptions = {},
): Store {
  const db = new Database(url, observer);
  const days = { events: new Days(db, 'events'), attempts: new Days(db, 'attempts') };
  const own = new OwnBuckets();
  const gate = openGate(db, url, () => own.lifetime);
  const clock = new DatabaseClock(db);
  const starts = new Starts();
  return {
    installKeys: installKeyStore(db),
    installations: installationStore(db, own),
    lifecycle: lifecycleStore(db),
    clients: clientStore(db),
    consumers: consumerStore(db),
    consents: consentStore(db),
    authorization: authorizationStore(db),
    oauth1: oauth1Store(db),
    grants: grantStore(db),
    securityEvents: securityEventStore(db),
    usedScopes: usedScopeStore(db),
    sessions: sessionStore(db),
    tokens: tokenStore(db),
    events: eventStore(db, days.events, own, starts.outbox, observer),
    deliveries: {
      ...deliveryStore(db, days.attempts, own, starts.lanes, observer),
      ...deliveryViews(db),
      recipient: gate.recipient,
      isCurrent: gate.isCurrent,
    },
    explanations: explanationStore(db),
    replays: replayStore(db, own, observer),
    engine: engineStore(db, days, own, starts, { leaseMs, observer }),
    clock,
    async close() {
      clock.close();
      await gate.close();
      await db.close();
    },
  };
}
