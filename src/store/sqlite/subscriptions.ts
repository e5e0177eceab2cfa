// Derived rows: who is told of what, and on which resources, under the grant in force.
import type { Database } from 'better-sqlite3';
import type { Subscription, WebhookRow } from '../rows.ts';
import { LAST_SEQ } from './webhooks.ts';

export function subscriptionStatements(db: Database) {
  const existing = db.prepare<[string], { eventType: string; webhookId: string }>(
    'SELECT event_type AS eventType, webhook_id AS webhookId FROM subscriptions WHERE installation_id = ?',
  );
  const remove = db.prepare(
    'DELETE FROM subscriptions WHERE context = ? AND event_type = ? AND installation_id = ? AND webhook_id = ?',
  );
  const add = db.prepare(
    `INSERT OR IGNORE INTO subscriptions (context, event_type, installation_id, webhook_id, since, since_seq)
     VALUES (?, ?, ?, ?, ?, ${LAST_SEQ})`,
  );
  const removeAll = db.prepare('DELETE FROM subscriptions WHERE installation_id = ?');
  const clearResources = db.prepare('DELETE FROM granted_resources WHERE installation_id = ?');
  const addResource = db.prepare(
    'INSERT OR IGNORE INTO granted_resources (installation_id, resource, since, since_seq) VALUES (?, ?, ?, ?)',
  );
  const removeResources = db.prepare(
    `DELETE FROM granted_resources
     WHERE installation_id = ? AND resource NOT IN (SELECT value FROM json_each(?))`,
  );
  const scopeOfResources = db.prepare<
    [string],
    { all: number; since: number; sinceSeq: number; lastSeq: number }
  >(
    `SELECT all_resources AS "all", all_resources_since AS since, all_resources_since_seq AS sinceSeq,
       ${LAST_SEQ} AS lastSeq
     FROM installations WHERE id = ?`,
  );
  const setAllResources = db.prepare(
    'UPDATE installations SET all_resources = ?, all_resources_since = ?, all_resources_since_seq = ? WHERE id = ?',
  );
  const endWebhooks = db.prepare(
    'UPDATE webhooks SET until = ? WHERE installation_id = ? AND until IS NULL',
  );
  const keepPeriod = db.prepare<{ id: string; since: number }>(
    `INSERT INTO webhook_periods (webhook_id, since, until, off_since)
     SELECT id, since, until, off_since FROM webhooks WHERE id = @id AND (until < @since OR off_since IS NOT NULL)`,
  );
  const reviveWebhook = db.prepare(
    `INSERT INTO webhooks (id, installation_id, event, url, since, until, since_seq)
     VALUES (@id, @installationId, @event, @url, @since, NULL, ${LAST_SEQ})
     ON CONFLICT (id) DO UPDATE SET until = NULL, off_since = NULL,
       since = CASE WHEN until = @since THEN since ELSE @since END,
       since_seq = CASE WHEN until = @since THEN since_seq ELSE excluded.since_seq END`,
  );
  return {
    /** What stays keeps its since: an event published before something was granted never reaches it. */
    replace(installationId: string, context: string, wanted: Subscription[], at: number): void {
      const keep = new Set(wanted.map((s) => `${s.eventType}\u0000${s.webhookId}`));
      for (const row of existing.all(installationId)) {
        if (keep.has(`${row.eventType}\u0000${row.webhookId}`)) continue;
        remove.run(context, row.eventType, installationId, row.webhookId);
      }
      for (const s of wanted) add.run(context, s.eventType, installationId, s.webhookId, at);
    },
    /** What stays keeps its since here too; under "all", the rows of before remember theirs. */
    replaceResources(installationId: string, resources: string[] | null, at: number): void {
      const before = scopeOfResources.get(installationId)!;
      const since = before.all === 1 ? before.since : at;
      const sinceSeq = before.all === 1 ? before.sinceSeq : before.lastSeq;
      setAllResources.run(resources === null ? 1 : 0, since, sinceSeq, installationId);
      if (resources === null) return;
      removeResources.run(installationId, JSON.stringify(resources));
      for (const resource of resources) addResource.run(installationId, resource, since, sinceSeq);
    },
    /** Those in the list live on with their old since; the others end. What is overwritten is kept as a period. */
    replaceWebhooks(installationId: string, webhooks: WebhookRow[], at: number): void {
      endWebhooks.run(at, installationId);
      for (const webhook of webhooks) {
        keepPeriod.run({ id: webhook.id, since: at });
        reviveWebhook.run({ ...webhook, installationId, since: at });
      }
    },
    endAll(installationId: string, at: number): void {
      removeAll.run(installationId);
      clearResources.run(installationId);
      endWebhooks.run(at, installationId);
    },
  };
}
