// What rotations have replaced: deleted when it is good no more.
import type { Database } from 'better-sqlite3';
import type { InstallationStore } from '../installation-store.ts';
import type { Writer } from './writer.ts';

export function previousSecretOperations(
  db: Database,
  writer: Writer,
): Pick<InstallationStore, 'forgetPreviousSecrets'> {
  const isAnyOver = db
    .prepare<{ now: number }, number>(
      `SELECT EXISTS (SELECT 1 FROM installations WHERE previous_secrets_until <= @now)
         OR EXISTS (SELECT 1 FROM oauth_clients WHERE previous_secret_until <= @now)`,
    )
    .pluck();
  // The epoch: whoever keeps an installation in memory lets go of its old secrets, too.
  const ofInstallations = db.prepare(
    `UPDATE installations SET previous_secrets = NULL, previous_secrets_until = NULL, epoch = epoch + 1
     WHERE previous_secrets_until <= @now`,
  );
  const ofClients = db.prepare(
    `UPDATE oauth_clients SET previous_secret_hash = NULL, previous_secret_until = NULL, previous_oauth1_secret = NULL
     WHERE previous_secret_until <= @now`,
  );
  return {
    async forgetPreviousSecrets(now) {
      if (isAnyOver.get({ now }) === 0) return;
      await writer.write(() => {
        ofInstallations.run({ now });
        ofClients.run({ now });
      });
    },
  };
}
