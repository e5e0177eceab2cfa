// What is owed to whom, and the log of every attempt.
import type { Database } from 'better-sqlite3';
import type {
  AttemptRecord,
  DeliveryForAttempt,
  EventRow,
  GrantRow,
  InstallationRow,
  OwedDelivery,
  WebhookRow,
} from '../rows.ts';
import type { DeliveryStore } from '../store.ts';
import { deliveryViews } from './delivery-views.ts';
import { EVENT_COLUMNS } from './events.ts';
import { grantStatements } from './grants.ts';
import { installationColumns } from './installation-row.ts';
import type { Writer } from './writer.ts';

const OWED_COLUMNS = `id, installation_id AS installationId, webhook_id AS webhookId, event_id AS eventId,
  event_type AS eventType, event_at AS eventAt, attempts, due_at AS dueAt, created_at AS createdAt,
  expires_at AS expiresAt`;

export function deliveryStore(db: Database, writer: Writer): DeliveryStore {
  const grants = grantStatements(db);
  // A loose index scan: one step per lane, however many rows a lane has.
  const lanes = db.prepare<[], { installationId: string; dueAt: number }>(
    `WITH RECURSIVE lane (id) AS (
       SELECT MIN(installation_id) FROM deliveries
       UNION ALL
       SELECT (SELECT MIN(installation_id) FROM deliveries WHERE installation_id > lane.id)
       FROM lane WHERE lane.id IS NOT NULL)
     SELECT id AS installationId, (SELECT MIN(due_at) FROM deliveries WHERE installation_id = lane.id) AS dueAt
     FROM lane WHERE id IS NOT NULL`,
  );
  const due = db.prepare<[string, number, number], OwedDelivery>(
    `SELECT ${OWED_COLUMNS} FROM deliveries WHERE installation_id = ? AND due_at <= ?
     ORDER BY due_at, event_seq LIMIT ?`,
  );
  const nextDue = db.prepare<[string, number], { dueAt: number | null }>(
    'SELECT MIN(due_at) AS dueAt FROM deliveries WHERE installation_id = ? AND due_at > ?',
  );
  const event = db.prepare<[string], EventRow>(
    `SELECT ${EVENT_COLUMNS} FROM events e WHERE e.id = ?`,
  );
  const installation = db.prepare<[string], InstallationRow>(
    `SELECT ${installationColumns('i')} FROM installations i WHERE i.id = ?`,
  );
  const webhook = db.prepare<[string], WebhookRow>(
    'SELECT id, installation_id AS installationId, event, url, since, until FROM webhooks WHERE id = ?',
  );
  const epoch = db
    .prepare<[string], number>('SELECT epoch FROM installations WHERE id = ?')
    .pluck();
  const end = db.prepare('DELETE FROM deliveries WHERE id = ?');
  const postpone = db.prepare(
    'UPDATE deliveries SET attempts = ?, due_at = ? WHERE id = ? AND attempts = ?',
  );
  const insertAttempt = db.prepare(
    `INSERT INTO attempts (delivery_id, number, at, duration_ms, outcome, status, reason, message,
       response_excerpt, url, withheld, next_due_at, installation_id, webhook_id, event_id, event_type,
       delivery_created_at)
     VALUES (@deliveryId, @number, @at, @durationMs, @outcome, @status, @reason, @message, @responseExcerpt,
       @url, @withheld, @nextDueAt, @installationId, @webhookId, @eventId, @eventType, @createdAt)`,
  );

  function recordOne({ delivery, withheld, ...attempt }: AttemptRecord): void {
    if (attempt.outcome === 'retry') {
      // Guarded by the count seen: an engine that lost its turn meanwhile moves nothing.
      const moved = postpone.run(attempt.number, attempt.nextDueAt, delivery.id, delivery.attempts);
      if (moved.changes === 0) return;
    } else {
      // Unguarded: that the receiver said 2xx is a fact, whoever is told of it.
      end.run(delivery.id);
    }
    insertAttempt.run({
      ...attempt,
      withheld: JSON.stringify(withheld),
      deliveryId: delivery.id,
      installationId: delivery.installationId,
      webhookId: delivery.webhookId,
      eventId: delivery.eventId,
      eventType: delivery.eventType,
      createdAt: delivery.createdAt,
    });
  }

  return {
    ...deliveryViews(db),
    async lanes() {
      return lanes.all();
    },
    async window(installationId, now, limit) {
      const rows = due.all(installationId, now, limit);
      const nextDueAt =
        rows.length === limit ? now : (nextDue.get(installationId, now)?.dueAt ?? undefined);
      return { due: rows, nextDueAt };
    },
    async forAttempt(owed): Promise<DeliveryForAttempt | undefined> {
      const eventRow = event.get(owed.eventId);
      const installationRow = installation.get(owed.installationId);
      const webhookRow = webhook.get(owed.webhookId);
      if (!eventRow || !installationRow || !webhookRow) return undefined;
      const grant: GrantRow | undefined = grants.findInForce(owed.installationId);
      return { event: eventRow, installation: installationRow, grant, webhook: webhookRow };
    },
    isCurrent: (installationId, seen) => epoch.get(installationId) === seen,
    record: (attempts) =>
      writer.write(() => {
        for (const attempt of attempts) recordOne(attempt);
      }),
  };
}
