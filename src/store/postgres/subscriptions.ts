// Derived rows: who is told of what, and on which resources, under the grant in force. For each: the installation is
// locked, then fan-out, and `lastSeq` is what that answered.
import sql from 'sql-template-tag';
import type { Subscription, WebhookRow } from '../rows.ts';
import type { Queries } from './queries.ts';

/** What stays keeps its since: an event published before something was granted never reaches it. */
export async function replaceSubscriptions(
  tx: Queries,
  { id, context }: { id: string; context: string },
  wanted: Subscription[],
  at: number,
  lastSeq: number,
): Promise<void> {
  const types = wanted.map(({ eventType }) => eventType);
  const webhooks = wanted.map(({ webhookId }) => webhookId);
  await tx.run(sql`DELETE FROM mortise.subscriptions s WHERE s.installation_id = ${id} AND NOT EXISTS (
    SELECT 1 FROM unnest(${types}::text[], ${webhooks}::text[]) AS w (event_type, webhook_id)
    WHERE w.event_type = s.event_type AND w.webhook_id = s.webhook_id)`);
  await tx.run(sql`INSERT INTO mortise.subscriptions
      (context, event_type, installation_id, webhook_id, since, since_seq)
    SELECT ${context}, w.event_type, ${id}, w.webhook_id, ${at}::bigint, ${lastSeq}::bigint
    FROM unnest(${types}::text[], ${webhooks}::text[]) AS w (event_type, webhook_id)
    ON CONFLICT DO NOTHING`);
}

/** What stays keeps its since here too; under "all", the rows of before remember theirs. */
export async function replaceResources(
  tx: Queries,
  id: string,
  resources: string[] | null,
  at: number,
  lastSeq: number,
): Promise<void> {
  const before = (await tx.get<{ all: boolean; since: number; sinceSeq: number }>(
    sql`SELECT all_resources AS "all", all_resources_since AS since, all_resources_since_seq AS "sinceSeq"
      FROM mortise.installations WHERE id = ${id}`,
  ))!;
  const since = before.all ? before.since : at;
  const sinceSeq = before.all ? before.sinceSeq : lastSeq;
  await tx.run(sql`UPDATE mortise.installations SET all_resources = ${resources === null},
    all_resources_since = ${since}, all_resources_since_seq = ${sinceSeq} WHERE id = ${id}`);
  if (resources === null) return;
  await tx.run(sql`DELETE FROM mortise.granted_resources
    WHERE installation_id = ${id} AND resource <> ALL (${resources}::text[])`);
  await tx.run(sql`INSERT INTO mortise.granted_resources (installation_id, resource, since, since_seq)
    SELECT ${id}, resource, ${since}::bigint, ${sinceSeq}::bigint FROM unnest(${resources}::text[]) AS resource
    ON CONFLICT DO NOTHING`);
}

/**
 * Those in the list live on with their old since; the others end. What is overwritten is kept as a period. A descriptor
 * may say the same webhook twice: it is one.
 */
export async function replaceWebhooks(
  tx: Queries,
  installationId: string,
  webhooks: WebhookRow[],
  at: number,
  lastSeq: number,
): Promise<void> {
  const ids = webhooks.map(({ id }) => id);
  await endWebhooks(tx, installationId, at);
  await tx.run(sql`INSERT INTO mortise.webhook_periods (webhook_id, since, until, off_since)
    SELECT id, since, until, off_since FROM mortise.webhooks
    WHERE id = ANY (${ids}::text[]) AND (until < ${at} OR off_since IS NOT NULL)`);
  await tx.run(sql`INSERT INTO mortise.webhooks AS w (id, installation_id, event, url, since, until, since_seq)
    SELECT id, ${installationId}, event, url, ${at}::bigint, NULL, ${lastSeq}::bigint
    FROM (SELECT DISTINCT ON (id) * FROM unnest(${ids}::text[], ${webhooks.map(({ event }) => event)}::text[],
        ${webhooks.map(({ url }) => url)}::text[]) WITH ORDINALITY AS u (id, event, url, place)
      ORDER BY id, place) n
    ORDER BY place
    ON CONFLICT (id) DO UPDATE SET until = NULL, off_since = NULL,
      since = CASE WHEN w.until = excluded.since THEN w.since ELSE excluded.since END,
      since_seq = CASE WHEN w.until = excluded.since THEN w.since_seq ELSE excluded.since_seq END`);
}

async function endWebhooks(tx: Queries, installationId: string, at: number): Promise<void> {
  await tx.run(sql`UPDATE mortise.webhooks SET until = ${at}
    WHERE installation_id = ${installationId} AND until IS NULL`);
}

export async function endSubscriptions(tx: Queries, id: string, at: number): Promise<void> {
  await tx.run(sql`DELETE FROM mortise.subscriptions WHERE installation_id = ${id}`);
  await tx.run(sql`DELETE FROM mortise.granted_resources WHERE installation_id = ${id}`);
  await endWebhooks(tx, id, at);
}
