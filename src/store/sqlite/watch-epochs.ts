// Tells when a transaction of this connection changes what the gate looks at: every change of it moves an epoch.
import type { Database } from 'better-sqlite3';

export function watchEpochs(db: Database, onChange: () => void): void {
  db.function('mortise_epoch_changed', () => {
    onChange();
    return null;
  });
  db.exec(`CREATE TEMP TRIGGER epoch_changed AFTER UPDATE OF epoch ON main.installations
    BEGIN SELECT mortise_epoch_changed(); END`);
}
