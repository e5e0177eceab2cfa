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

export function findWebhooksOff(db: Queries, installationId: string): Promise<WebhookRow[]> {
  return db.all(sql`SELECT ${WEBHOOK_COLUMNS} FROM mortise.webhooks
    WHERE installation_id = ${installationId} AND off_since IS NOT NULL AND until IS NULL ORDER BY seq`);
}

/**
 * What is owed to them, now and later, the gate refuses: so it is in the log, and can be made good. Their installations
 * are locked.
 */
export async function switchWebhooksOff(
  tx: Queries,
  webhooks: { webhookId: string; at: number }[],
): Promise<void> {
  const switched = await tx.all<{ id: string }>(sql`UPDATE mortise.webhooks w SET off_since = o.at
    FROM (SELECT id, MIN(at) AS at FROM unnest(${webhooks.map(({ webhookId }) => webhookId)}::text[],
      ${webhooks.map(({ at }) => at)}::bigint[]) AS o (id, at) GROUP BY id) o
    WHERE w.id = o.id AND w.off_since IS NULL RETURNING w.installation_id AS id`);
  if (switched.length === 0) return;
  await tx.run(sql`UPDATE mortise.installations SET epoch = epoch + 1
    WHERE id = ANY (${switched.map(({ id }) => id)}::text[])`);
}
