// What has become of an event's deliveries to some installations, as far as it explains who was told.
import sql from 'sql-template-tag';
import { derivedIdAt } from '../../core/ids.ts';
import type { ExplainedEvent, ToldDelivery } from '../explanation-rows.ts';
import { type LoggedRow, type OwedRow, toldDelivery } from '../told-delivery.ts';
import type { Queries } from './queries.ts';

/** By installation, each with those of its webhooks that were told or are going to be. To be asked in a snapshot. */
export async function toldDeliveries(
  tx: Queries,
  event: ExplainedEvent,
  installationIds: string[],
): Promise<Map<string, ToldDelivery[]>> {
  const webhooks = await tx.all<{ id: string; installationId: string }>(
    sql`SELECT id, installation_id AS "installationId" FROM mortise.webhooks
      WHERE installation_id = ANY(${installationIds}) AND event IN (${event.type}, '*') ORDER BY id`,
  );
  const made = webhooks.map(({ id: webhookId, installationId }) => ({
    id: derivedIdAt(event.createdAt, event.id, installationId, webhookId),
    webhookId,
    installationId,
  }));
  const ids = made.map(({ id }) => id);
  const owed = byId(
    await tx.all<OwedRow>(sql`SELECT d.id, d.attempts, d.due_at AS "dueAt", d.expires_at AS "expiresAt",
        (SELECT e.event_id FROM mortise.deliveries e
         WHERE e.webhook_id = d.webhook_id AND e.ordering_key = d.ordering_key AND e.event_seq < d.event_seq
         ORDER BY e.event_seq LIMIT 1) AS behind
      FROM mortise.deliveries d WHERE d.id = ANY(${ids})`),
  );
  const last = byId(await lastAttempts(tx, ids));
  const ended = byId(await lastEnds(tx, ids));
  const found = new Map<string, ToldDelivery[]>();
  for (const { id, webhookId, installationId } of made) {
    const told = toldDelivery(id, webhookId, owed.get(id), last.get(id), ended.get(id));
    if (told) found.set(installationId, [...(found.get(installationId) ?? []), told]);
  }
  return found;
}

const LOGGED = sql`DISTINCT ON (a.delivery_id) a.delivery_id AS id, a.number, a.at, a.outcome, a.status, a.reason,
  a.message, a.withheld FROM mortise.attempts a`;

function lastAttempts(tx: Queries, ids: string[]): Promise<LoggedRow[]> {
  return tx.all(
    sql`SELECT ${LOGGED} WHERE a.delivery_id = ANY(${ids}) ORDER BY a.delivery_id, a.seq DESC`,
  );
}

function lastEnds(tx: Queries, ids: string[]): Promise<LoggedRow[]> {
  return tx.all(
    sql`SELECT ${LOGGED} WHERE a.delivery_id = ANY(${ids}) AND a.outcome <> 'retry'
      ORDER BY a.delivery_id, a.seq DESC`,
  );
}

function byId<T extends { id: string }>(rows: T[]): Map<string, T> {
  return new Map(rows.map((row) => [row.id, row]));
}
