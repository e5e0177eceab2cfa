// What the gate asks: whom a delivery is for, and whether that has changed since.
import type { Database } from 'better-sqlite3';
import type { GateStore } from '../delivery-store.ts';
import type { InstallationRow, Recipient, WebhookRow } from '../rows.ts';
import { grantStatements } from './grants.ts';
import { installationColumns } from './installation-row.ts';
import { MOMENT_MS } from './moment.ts';
import { WEBHOOK_COLUMNS } from './webhooks.ts';

/** Some two MB. */
const MOST_EPOCHS = 20_000;

/** @param isShared with others, whose transactions are their own: nothing is read together then. */
export function gateStore(db: Database, isShared = false): GateStore {
  const grants = grantStatements(db);
  const installation = db.prepare<[string], InstallationRow>(
    `SELECT ${installationColumns('i')} FROM installations i WHERE i.id = ?`,
  );
  const webhooksOf = db.prepare<[string], WebhookRow>(
    `SELECT ${WEBHOOK_COLUMNS} FROM webhooks WHERE installation_id = ?`,
  );
  const epoch = db
    .prepare<[string], number>('SELECT epoch FROM installations WHERE id = ?')
    .pluck();
  const changes = db.prepare<[], number>('SELECT count FROM epoch_changes').pluck();
  const begin = db.prepare('BEGIN');
  const commit = db.prepare('COMMIT');
  /** Of the read transaction that is open; long ago, where none is. */
  let momentBegan = Number.NEGATIVE_INFINITY;
  /** Epochs that were read since one last moved, and how often any had by then. */
  const epochs = new Map<string, number>();
  let changesSeen = -1;

  /** Opening a read transaction costs ten times what is read in it. */
  function openMoment(): void {
    const now = performance.now();
    if (now - momentBegan <= MOMENT_MS) return;
    if (db.inTransaction) commit.run();
    else setImmediate(closeMoment);
    begin.run();
    momentBegan = now;
    const moved = changes.get()!;
    if (moved !== changesSeen || epochs.size >= MOST_EPOCHS) epochs.clear();
    changesSeen = moved;
  }

  function epochOf(installationId: string): number | undefined {
    if (isShared) return epoch.get(installationId);
    openMoment();
    let known = epochs.get(installationId);
    if (known === undefined) {
      known = epoch.get(installationId);
      if (known !== undefined) epochs.set(installationId, known);
    }
    return known;
  }

  /** One that stays open would keep the write-ahead log from beginning anew. */
  function closeMoment(): void {
    momentBegan = Number.NEGATIVE_INFINITY;
    if (db.open && db.inTransaction) commit.run();
  }

  return {
    async recipient(installationId): Promise<Recipient | undefined> {
      if (!isShared) closeMoment();
      const row = installation.get(installationId);
      return (
        row && {
          installation: row,
          grant: grants.findInForce(installationId),
          webhooks: new Map(webhooksOf.all(installationId).map((hook) => [hook.id, hook])),
        }
      );
    },
    isCurrent: (installationId, seen) => epochOf(installationId) === seen,
  };
}
