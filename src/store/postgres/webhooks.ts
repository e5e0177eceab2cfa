// The webhooks of installations: declared by a descriptor, ended by the next, switched off by a 410.
import sql, { raw } from 'sql-template-tag';
import type { WebhookRow } from '../rows.ts';
import type { Queries } from './queries.ts';

export const WEBHOOK_COLUMNS =
  raw(`id, installation_id AS "installationId", event, url, since, until,
  off_since AS "offSince", since_seq AS "sinceSeq"`);

export function findWebhooks(db: Queries, installationId: string): Promise<WebhookRow[]> {
  return db.all(sql`SELECT ${WEBHOOK_COLUMNS} FROM mortise.webhooks
    WHERE installation_id = ${installationId} AND until IS NULL ORDER BY seq`);
}

/** What was is kept as a period. @returns those that were off */
export async function switchWebhooksOn(
  tx: Queries,
  installationId: string,
  at: number,
): Promise<string[]> {
  await tx.run(sql`INSERT INTO mortise.webhook_periods (webhook_id, since, until, off_since)
    SELECT id, since, ${at}, off_since FROM mortise.webhooks
    WHERE installation_id = ${installationId} AND off_since IS NOT NULL AND until IS NULL`);
  const on = await tx.all<{ id: string }>(sql`UPDATE mortise.webhooks SET off_since = NULL
    WHERE installation_id = ${installationId} AND off_since IS NOT NULL AND until IS NULL RETURNING id`);
  return on.map(({ id }) => id);
}
