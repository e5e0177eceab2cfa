// One SQLite file (or memory) as a Store: pragmas, migrations, the parts.
import { mkdirSync, realpathSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import Database from 'better-sqlite3';
import { systemClock } from '../../core/clock.ts';
import { MortiseError } from '../../core/errors.ts';
import type { StoreObserver } from '../observer.ts';
import type { Store } from '../store.ts';
import { attemptTables } from './attempt-tables.ts';
import { authorizationStore } from './authorization.ts';
import { clientStore } from './clients.ts';
import { consentStore, sessionStore } from './consents.ts';
import { consumerStore } from './consumers.ts';
import { deliveryStore } from './deliveries.ts';
import { Disk } from './disk.ts';
import { engineStore } from './engine-lock.ts';
import { eventTables } from './event-tables.ts';
import { eventStore } from './events.ts';
import { explanationStore } from './explanations.ts';
import { gateStore } from './gate.ts';
import { grantStore } from './grant-views.ts';
import { installKeyStore } from './install-keys.ts';
import { installationStore } from './installations.ts';
import { lifecycleStore } from './lifecycle.ts';
import { migrate } from './migrate.ts';
import { oauth1Store } from './oauth1.ts';
import { openSqliteGate } from './open-for-attempts.ts';
import { Reader } from './reader.ts';
import { replayStore } from './replays.ts';
import { securityEventStore } from './security-events.ts';
import { tokenStore } from './tokens.ts';
import { Unwritten } from './unwritten.ts';
import { usedScopeStore } from './used-scopes.ts';
import { watchEpochs } from './watch-epochs.ts';
import { Writer } from './writer.ts';

/** A call never waits inside SQLite for longer than this: it would stop the event loop. */
const BUSY_TIMEOUT_MS = 20;
const START_PATIENCE_MS = 10_000;
const CACHE_KIB = 64 * 1024;
/** Of a new file: an event of a few KB is written with fewer calls than in pages of 4 KB. */
const PAGE_BYTES = 8_192;

/**
 * @param path of the file, or `:memory:`.
 * @param settle resolves when no thread of this process rests on what its gate saw before the call.
 */
export function openSqlite(
  path: string,
  observer?: StoreObserver,
  settle?: () => Promise<void>,
): Store {
  const db = open(path === ':memory:' ? path : resolve(path));
  // SQLite keeps its log beside the file that a link leads to.
  const file = path === ':memory:' ? path : realpathSync(path);
  // While starting, waiting is right: another process may be migrating the same file.
  db.pragma(`busy_timeout = ${START_PATIENCE_MS}`);
  // FULL while starting; from then on the writer syncs what is committed, since WAL alone loses the last commits on
  // power loss.
  db.pragma(`page_size = ${PAGE_BYTES}`);
  turnOnWal(db);
  db.pragma('synchronous = FULL');
  db.pragma('foreign_keys = ON');
  db.pragma(`cache_size = -${CACHE_KIB}`);
  migrateOrClose(db);
  const days = { events: eventTables(db), attempts: attemptTables(db) };
  for (const tables of [days.events, days.attempts]) {
    tables.complete();
    tables.makeAhead(Date.now());
    tables.confirm(Date.now());
  }
  db.pragma(`busy_timeout = ${BUSY_TIMEOUT_MS}`);
  db.pragma('synchronous = NORMAL');
  const disk = file === ':memory:' ? undefined : new Disk(db, file);
  const writer = new Writer(db, { disk, observer, settle });
  watchEpochs(db, () => writer.gateChanges());
  const reader = new Reader(db);
  const own = file === ':memory:' ? undefined : openSqliteGate(file);
  const gate = own?.gate ?? gateStore(db, true);
  const unwritten = new Unwritten(db, writer, days.attempts);
  const deliveries = deliveryStore(
    db,
    writer,
    gate,
    days.attempts,
    days.events,
    unwritten,
    observer,
  );
  return {
    installKeys: installKeyStore(db, writer),
    installations: installationStore(db, writer),
    lifecycle: lifecycleStore(db, writer),
    clients: clientStore(db),
    consumers: consumerStore(db, writer),
    consents: consentStore(db, writer),
    authorization: authorizationStore(db, writer),
    oauth1: oauth1Store(db, writer),
    grants: grantStore(db, writer),
    securityEvents: securityEventStore(db, writer),
    usedScopes: usedScopeStore(db, writer),
    sessions: sessionStore(db, writer),
    tokens: tokenStore(db, writer, reader),
    events: eventStore(db, writer, file, days.events, unwritten, observer),
    deliveries,
    explanations: explanationStore(db, days.attempts, days.events, unwritten),
    replays: replayStore(db, writer, days.attempts, days.events, unwritten, observer),
    engine: engineStore(db, file, writer, days, { deliveries, unwritten, observer }),
    // Whoever opens the file is on the machine that has it.
    clock: systemClock,
    async close() {
      await writer.drain();
      await reader.drain();
      await disk?.close();
      own?.close();
      db.close();
    },
  };
}

/** It needs the file alone for a moment, and SQLite does not wait for that by itself: processes may start together. */
function turnOnWal(db: Database.Database): void {
  const end = Date.now() + START_PATIENCE_MS;
  for (;;) {
    try {
      db.pragma('journal_mode = WAL');
      return;
    } catch (error) {
      if ((error as { code?: string }).code !== 'SQLITE_BUSY' || Date.now() > end) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
    }
  }
}

function migrateOrClose(db: Database.Database): void {
  try {
    migrate(db);
  } catch (error) {
    db.close();
    throw error;
  }
}

function open(file: string): Database.Database {
  try {
    if (file !== ':memory:') mkdirSync(dirname(file), { recursive: true });
    return new Database(file);
  } catch (cause) {
    throw new MortiseError({
      code: 'database_unusable',
      status: 500,
      message: `The database ${file} cannot be opened: ${(cause as Error).message}.`,
      hint: 'Check that the folder exists and may be written, or set MORTISE_DATABASE_URL=sqlite:PATH.',
      cause,
    });
  }
}
