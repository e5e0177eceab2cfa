// Wires the parts of one host; the only file that knows them all.
import type { Middleware } from 'koa';
import { createOutbound } from './core/outbound.ts';
import { SecretBox } from './core/secret-box.ts';
import { openDeliveryThread } from './delivery-threads.ts';
import { Background } from './host/background.ts';
import { changeInstallation, type InstallationChange } from './host/change-installation.ts';
import { type GuardOptions, guard } from './host/guard.ts';
import { type Installed, type InstallRequest, install } from './host/install.ts';
import { Metrics } from './host/metrics.ts';
import type { HostOptions } from './host/options.ts';
import type { HostParts } from './host/parts.ts';
import { type EventInput, publish, publishWithin } from './host/publish.ts';
import { type HostSettings, readOptions } from './host/settings.ts';
import { uninstall } from './host/uninstall.ts';
import { createRoutes } from './http/app.ts';
import { type InstallKey, loadInstallKey } from './lifecycle/install-key.ts';
import { AddonJwtVerifier } from './oauth/addon-jwt.ts';
import type { Platform } from './platform/platform.ts';
import type { Share } from './store/engine-store.ts';
import { openStore, type StoreOptions } from './store/open-store.ts';
import { AttemptThreads } from './webhooks/attempt-threads.ts';
import { type Attempts, LocalAttempts } from './webhooks/attempts.ts';

/** What a better-sqlite3 database has. */
export interface SqliteTransaction {
  readonly inTransaction: boolean;
}

/** What a client of `pg` has. */
export interface PostgresTransaction {
  query(text: string): Promise<unknown>;
}

/** The host side of an add-on ecosystem, inside a product. */
export interface Host {
  readonly baseUrl: string;
  readonly platform: Platform;
  /** All doors as Koa middleware; what is not Mortise's goes on to the next. */
  routes(): Middleware;
  /** Koa middleware for a route of the product's API. */
  guard(scope: string, options?: GuardOptions): Middleware;
  /** Durable when it resolves: the event will be delivered or accounted for. */
  publish(event: EventInput): Promise<{ id: string }>;
  /**
   * In the product's own open transaction: written before this returns, published if that commits. A
   * better-sqlite3 handle on Mortise's own file, in a transaction, with synchronous = FULL. Throws at once.
   */
  publish(event: EventInput, options: { transaction: SqliteTransaction }): { id: string };
  /**
   * The same on PostgreSQL: written when it resolves. A client of `pg` on Mortise's own database, after BEGIN. Await it
   * before the next statement; an error other than idempotency_conflict ends that transaction, as PostgreSQL has it.
   */
  publish(
    event: EventInput,
    options: { transaction: PostgresTransaction },
  ): Promise<{ id: string }>;
  install(request: InstallRequest): Promise<Installed>;
  changeInstallation(id: string, change: InstallationChange): Promise<void>;
  uninstall(id: string): Promise<void>;
  /** Starts delivering. Requests can be served before. */
  start(): Promise<void>;
  /** Ends what is under way and closes the database. */
  close(): Promise<void>;
}

/** @throws option_missing, option_invalid, platform_invalid, database_unusable, database_newer */
export function createHost(options: HostOptions): Host & { readonly parts: HostParts } {
  return createHostOn(options);
}

/** The same, for tests that cannot wait for as long as the store's own times are. */
export function createHostOn(
  options: HostOptions,
  storeOptions?: StoreOptions,
): Host & { readonly parts: HostParts } {
  const given = readOptions(options);
  const box = new SecretBox(given.secretKey, given.previousSecretKeys);
  const metrics = new Metrics();
  const store = openStore(given.database, metrics, {
    ...storeOptions,
    settle: () => background.settle(),
  });
  const settings: HostSettings = { ...given, clock: options.clock ?? store.clock };
  const outbound = createOutbound(settings.policy);
  let installKey: Promise<InstallKey> | undefined;
  const parts: HostParts = {
    settings,
    metrics,
    store,
    box,
    outbound,
    openAttempts: (share, onUndeclared) => openAttempts(parts, share, onUndeclared),
    jwt: new AddonJwtVerifier(store.installations, box),
    installKey: () => {
      installKey ??= loadInstallKey(store.installKeys, box, settings.clock.now());
      return installKey;
    },
    wake: () => background.wake(),
    publishing: (events) => background.publishing(events),
    published: () => background.published(),
    expect: (installationId, state) => background.expect(installationId, state),
  };
  const background = new Background(parts);
  return {
    parts,
    baseUrl: settings.baseUrl,
    platform: settings.platform,
    routes: () => createRoutes(parts),
    guard: (scope, guardOptions = {}) => guard(scope, guardOptions, parts),
    publish: ((event: EventInput, within?: { transaction: unknown }) => {
      if (within === undefined) return publish([event], parts).then(([id]) => ({ id }));
      const ids = publishWithin(within.transaction, [event], parts);
      return Array.isArray(ids) ? { id: ids[0] } : ids.then(([id]) => ({ id }));
    }) as Host['publish'],
    install: (request) => install(request, parts),
    changeInstallation: async (id, change) => void (await changeInstallation(id, change, parts)),
    uninstall: (id) => uninstall(id, parts),
    async start() {
      await settings.clock.ready?.();
      await parts.installKey();
      await background.start();
    },
    async close() {
      await background.stop();
      await outbound.close();
      await store.close();
    },
  };
}

function openAttempts(
  { settings, store, box, outbound }: HostParts,
  { lifetime }: Pick<Share, 'lifetime'>,
  onUndeclared: (eventType: string, pointers: string[]) => void,
): Attempts {
  const { platform, clock, log, deliveryThreads: threads } = settings;
  if (threads > 0) {
    return new AttemptThreads({
      threads,
      open: () => openDeliveryThread(settings, lifetime),
      log,
      clock,
      onUndeclared,
    });
  }
  const { events, deliveries: gate } = store;
  return new LocalAttempts({
    events,
    gate,
    platform,
    box,
    outbound,
    clock,
    onUndeclared,
  });
}
