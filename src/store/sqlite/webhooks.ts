// The webhooks of installations: declared by a descriptor, ended by the next, switched off by a 410.
import type { Database } from 'better-sqlite3';
import type { WebhookRow } from '../rows.ts';

export const WEBHOOK_COLUMNS = `id, installation_id AS installationId, event, url, since, until,
  off_since AS offSince, since_seq AS sinceSeq`;

/** The number of the last event that was published, in SQL. */
export const LAST_SEQ = `COALESCE((SELECT seq FROM sqlite_sequence WHERE name = 'outbox'), 0)`;

export function webhookStatements(db: Database) {
  const switchOff = db.prepare<[number, string], { installationId: string }>(
    `UPDATE webhooks SET off_since = ? WHERE id = ? AND off_since IS NULL RETURNING installation_id AS installationId`,
  );
  const bumpEpoch = db.prepare('UPDATE installations SET epoch = epoch + 1 WHERE id = ?');
  const switchOn = db
    .prepare<[string], string>(
      `UPDATE webhooks SET off_since = NULL
       WHERE installation_id = ? AND off_since IS NOT NULL AND until IS NULL RETURNING id`,
    )
    .pluck();
  const keepPeriods = db.prepare(
    `INSERT INTO webhook_periods (webhook_id, since, until, off_since)
     SELECT id, since, ?, off_since FROM webhooks
     WHERE installation_id = ? AND off_since IS NOT NULL AND until IS NULL`,
  );
  const off = db.prepare<[string], WebhookRow>(
    `SELECT ${WEBHOOK_COLUMNS} FROM webhooks
     WHERE installation_id = ? AND off_since IS NOT NULL AND until IS NULL ORDER BY rowid`,
  );
  return {
    off: (installationId: string) => off.all(installationId),
    /** What was is kept as a period. @returns those that were off */
    switchOn(installationId: string, at: number): string[] {
      keepPeriods.run(at, installationId);
      return switchOn.all(installationId);
    },
    /** What is owed to it, now and later, the gate refuses: so it is in the log, and can be made good. */
    switchOff(webhookId: string, at: number): void {
      const switched = switchOff.get(at, webhookId);
      if (!switched) return;
      bumpEpoch.run(switched.installationId);
    },
  };
}
