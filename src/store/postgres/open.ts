// One PostgreSQL database as a Store: the parts. Nothing is connected to before the first call.
import { MortiseError } from '../../core/errors.ts';
import type { Store, StoreObserver } from '../store.ts';
import { authorizationStore } from './authorization.ts';
import { clientStore } from './clients.ts';
import { consentStore, sessionStore } from './consents.ts';
import { consumerStore } from './consumers.ts';
import { Database } from './database.ts';
import { grantStore } from './grant-views.ts';
import { installKeyStore } from './install-keys.ts';
import { installationStore } from './installations.ts';
import { lifecycleStore } from './lifecycle.ts';
import { oauth1Store } from './oauth1.ts';
import { securityEventStore } from './security-events.ts';
import { tokenStore } from './tokens.ts';
import { usedScopeStore } from './used-scopes.ts';

/** @param url `postgres://user:password@host:port/database`. */
export function openPostgres(url: string, observer?: StoreObserver): Store {
  const db = new Database(url, observer);
  return {
    installKeys: installKeyStore(db),
    installations: installationStore(db),
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
    events: missing('events'),
    deliveries: missing('deliveries'),
    explanations: missing('explanations'),
    replays: missing('replays'),
    engine: missing('engine'),
    close: () => db.close(),
  };
}

/** Parts that are still to come. */
function missing<Part extends object>(name: string): Part {
  return new Proxy({} as Part, {
    get(_, operation) {
      throw new MortiseError({
        code: 'store_incomplete',
        status: 501,
        message: `On PostgreSQL there is no ${name}.${String(operation)} yet.`,
        hint: 'Use sqlite:PATH.',
      });
    },
  });
}
