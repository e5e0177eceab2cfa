// The webhooks of installations: declared by a descriptor, ended by the next, switched off by a 410.
import type { Database } from 'better-sqlite3';
import type { WebhookRow } from '../rows.ts';

export const WEBHOOK_COLUMNS =
  'id, installation_id AS installationId, event, url, since, until, off_since AS offSince';

export function webhookStatements(db: Database) {
  const switchOff = db.prepare<[number, string], { installationId: string }>(
    `UPDATE webhooks SET off_since = ? WHERE id = ? AND off_since IS NULL RETURNING installation_id AS installationId`,
  );
  const unsubscribe = db.prepare(
    'DELETE FROM subscriptions WHERE installation_id = ? AND webhook_id = ?',
  );
  const bumpEpoch = db.prepare('UPDATE installations SET epoch = epoch + 1 WHERE id = ?');
  const switchOn = db
    .prepare<[string], string>(
      `UPDATE webhooks SET off_since = NULL
       WHERE installation_id = ? AND off_since IS NOT NULL AND until IS NULL RETURNING id`,
    )
    .pluck();
  const off = db.prepare<[string], WebhookRow>(
    `SELECT ${WEBHOOK_COLUMNS} FROM webhooks
     WHERE installation_id = ? AND off_since IS NOT NULL AND until IS NULL ORDER BY rowid`,
  );
  return {
    off: (installationId: string) => off.all(installationId),
    /** @returns those that were off */
    switchOn: (installationId: string) => switchOn.all(installationId),
    /** Nothing more is owed to it, and what is owed already the gate refuses. */
    switchOff(webhookId: string, at: number): void {
      const switched = switchOff.get(at, webhookId);
      if (!switched) return;
      unsubscribe.run(switched.installationId, webhookId);
      bumpEpoch.run(switched.installationId);
    },
  };
}
