// The webhooks of installations: declared by a descriptor, ended by the next, switched off by a 410.
import type { Database } from 'better-sqlite3';

export const WEBHOOK_COLUMNS = `id, installation_id AS installationId, event, url, since, until,
  off_since AS offSince, since_seq AS sinceSeq`;

/** The number of the last event that was published, in SQL. */
export const LAST_SEQ = `COALESCE((SELECT seq FROM sqlite_sequence WHERE name = 'outbox'), 0)`;

export function webhookStatements(db: Database) {
  const switchOff = db.prepare<[number, string], { installationId: string }>(
    `UPDATE webhooks SET off_since = ? WHERE id = ? AND off_since IS NULL RETURNING installation_id AS installationId`,
  );
  const bumpEpoch = db.prepare('UPDATE installations SET epoch = epoch + 1 WHERE id = ?');
  return {
    /** What is owed to it, now and later, the gate refuses: so it is in the log, and can be made good. */
    switchOff(webhookId: string, at: number): void {
      const off = switchOff.get(at, webhookId);
      if (!off) return;
      bumpEpoch.run(off.installationId);
    },
  };
}
