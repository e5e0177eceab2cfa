// What rotations have replaced: deleted when it is good no more.
import sql from 'sql-template-tag';
import type { InstallationStore } from '../installation-store.ts';
import type { Database } from './database.ts';

export function previousSecretOperations(
  db: Database,
): Pick<InstallationStore, 'forgetPreviousSecrets'> {
  return {
    async forgetPreviousSecrets(now) {
      const over = await db.get<{ isAny: boolean }>(sql`SELECT
        EXISTS (SELECT 1 FROM mortise.installations WHERE previous_secrets_until <= ${now})
        OR EXISTS (SELECT 1 FROM mortise.oauth_clients WHERE previous_secret_until <= ${now}) AS "isAny"`);
      if (!over!.isAny) return;
      // The epoch: whoever keeps an installation in memory lets go of its old secrets, too.
      await db.run(sql`UPDATE mortise.installations
        SET previous_secrets = NULL, previous_secrets_until = NULL, epoch = epoch + 1
        WHERE previous_secrets_until <= ${now}`);
      await db.run(sql`UPDATE mortise.oauth_clients
        SET previous_secret_hash = NULL, previous_secret_until = NULL, previous_oauth1_secret = NULL
        WHERE previous_secret_until <= ${now}`);
    },
  };
}
