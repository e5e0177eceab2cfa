// Why an event was told to whom: read for many installations at once, with a number of queries that does not depend on
// how many. A delivery is found by its id, which follows from event, installation and webhook.
import type { Database } from 'better-sqlite3';
import { derivedIdAt } from '../../core/ids.ts';
import type {
  ExplainedEvent,
  StatePeriod,
  ToldDelivery,
  ToldFacts,
  ToldOf,
} from '../explanation-rows.ts';
import type { ExplanationStore } from '../explanation-store.ts';
import type { InstallationRow, LaneState, WebhookRow } from '../rows.ts';
import { type LoggedRow, type OwedRow, toldDelivery } from '../told-delivery.ts';
import type { AttemptTables } from './attempt-tables.ts';
import type { EventTables } from './event-tables.ts';
import { GRANT_COLUMNS, type RawGrant, readGrant } from './grants.ts';
import { installationColumns } from './installation-row.ts';
import { LANE_STATE_COLUMNS } from './lane-states.ts';
import { subscribedThen } from './subscribers.ts';
import type { Unwritten } from './unwritten.ts';

const ids = (column: string) => `${column} IN (SELECT value FROM json_each(?))`;
/** Above everything that is an id. */
const LAST = '~';

type Of<T> = T & { installationId: string };

export function explanationStore(
  db: Database,
  attempts: AttemptTables,
  events: EventTables,
  unwritten: Unwritten,
): ExplanationStore {
  const candidates = db
    .prepare<{ context: string; at: number; after: string; limit: number }, string>(
      `SELECT i.id FROM installations i
       WHERE i.context = @context AND i.id < @after AND (i.state IN ('enabled', 'disabled') OR EXISTS (
         SELECT 1 FROM installation_states s
         WHERE s.installation_id = i.id AND s.since <= @at AND (s.until IS NULL OR s.until >= @at)))
       ORDER BY i.id DESC LIMIT @limit`,
    )
    .pluck();
  const installations = db.prepare<[string], InstallationRow>(
    `SELECT ${installationColumns('i')} FROM installations i WHERE ${ids('i.id')}`,
  );
  const states = db.prepare<[string], Of<StatePeriod>>(
    `SELECT installation_id AS installationId, state, since, until FROM installation_states
     WHERE ${ids('installation_id')} ORDER BY seq`,
  );
  // Named, since without statistics the planner prefers an index that grants to act as users are in as well.
  const grants = db.prepare<[string], Of<RawGrant>>(
    `SELECT ${GRANT_COLUMNS} FROM oauth_grants INDEXED BY oauth_grants_own
     WHERE ${ids('installation_id')} AND kind = 'installation' AND handshake_id IS NULL ORDER BY since, id`,
  );
  // After an earlier time, the present one begins where that ended.
  const webhooks = db.prepare<[string], WebhookRow>(
    `WITH w AS (SELECT * FROM webhooks WHERE ${ids('installation_id')})
     SELECT id, installation_id AS installationId, event, url,
       MAX(since, COALESCE((SELECT MAX(p.until) FROM webhook_periods p WHERE p.webhook_id = w.id), 0)) AS since,
       until, off_since AS offSince FROM w
     UNION ALL
     SELECT w.id, w.installation_id, w.event, w.url, p.since, p.until, p.off_since
     FROM w JOIN webhook_periods p ON p.webhook_id = w.id
     ORDER BY since`,
  );
  const webhookIds = db.prepare<[string, string], Of<{ id: string }>>(
    `SELECT id, installation_id AS installationId FROM webhooks WHERE ${ids('installation_id')} AND event IN (?, '*')`,
  );
  const owed = db.prepare<[string], OwedRow>(
    `SELECT d.id, d.attempts, d.due_at AS dueAt, d.expires_at AS expiresAt,
       (SELECT e.event_id FROM deliveries e
        WHERE e.webhook_id = d.webhook_id AND e.ordering_key = d.ordering_key AND e.event_seq < d.event_seq
        ORDER BY e.event_seq LIMIT 1) AS behind
     FROM json_each(?) j JOIN deliveries d ON d.id = j.value`,
  );
  const lanes = db.prepare<[string], LaneState>(
    `SELECT l.installation_id AS installationId, ${LANE_STATE_COLUMNS} FROM lane_states l WHERE ${ids('l.installation_id')}`,
  );
  const subscribed = db.prepare<[string, string, string], Of<{ since: number }>>(
    `SELECT installation_id AS installationId, MIN(since) AS since FROM subscriptions
     WHERE context = ? AND event_type = ? AND ${ids('installation_id')} GROUP BY installation_id`,
  );
  const fanOutAfter = db
    .prepare<[number], string>('SELECT after_installation FROM outbox WHERE seq = ?')
    .pluck();
  const ahead = db
    .prepare<object, string>(
      `SELECT DISTINCT s.installation_id FROM json_each(@ids) j
       JOIN subscriptions s ON s.context = @context AND s.event_type = @type AND s.installation_id = j.value
       JOIN installations i ON i.id = s.installation_id
       WHERE s.installation_id > @after AND ${subscribedThen('@seq', '@resource')}`,
    )
    .pluck();

  /** Those of the installations to which the fan-out has not come yet. */
  function aheadOf(event: ExplainedEvent, list: string): Set<string> {
    for (const { seqOf } of events.newestFirstSince(event.createdAt)) {
      const seq = seqOf.get(event.id);
      if (seq === undefined) continue;
      const after = fanOutAfter.get(seq);
      if (after === undefined) break;
      const { context, type, resource } = event;
      return new Set(ahead.all({ ids: list, context, type, resource, seq, after }));
    }
    return new Set();
  }

  function deliveriesOf(event: ExplainedEvent, list: string): Map<string, ToldDelivery[]> {
    const made = webhookIds.all(list, event.type).map(({ id: webhookId, installationId }) => ({
      id: derivedIdAt(event.createdAt, event.id, installationId, webhookId),
      webhookId,
      installationId,
    }));
    const madeIds = JSON.stringify(made.map(({ id }) => id));
    const open = new Map(owed.all(madeIds).map((row) => [row.id, row]));
    const last = new Map<string, LoggedRow>();
    const ended = new Map<string, LoggedRow>();
    for (const table of attempts.newestFirstSince(event.createdAt)) {
      for (const row of table.lastOf.all(madeIds)) {
        if (!last.has(row.id)) last.set(row.id, row);
        if (row.outcome !== 'retry' && !ended.has(row.id)) ended.set(row.id, row);
      }
    }
    const found = new Map<string, ToldDelivery[]>();
    for (const { id, webhookId, installationId } of made) {
      const told = toldDelivery(id, webhookId, open.get(id), last.get(id), ended.get(id));
      if (told) push(found, installationId, told);
    }
    return found;
  }

  const outcomes = db.transaction(
    (event: ExplainedEvent, after: string, limit: number): ToldOf[] => {
      const { context, createdAt: at } = event;
      const page = candidates.all({ context, at, after, limit });
      const list = JSON.stringify(page);
      const deliveries = deliveriesOf(event, list);
      const waiting = aheadOf(event, list);
      return page.map((installationId) => ({
        installationId,
        states: (deliveries.get(installationId) ?? []).map(({ state }) => state),
        isFanOutAhead: waiting.has(installationId),
      }));
    },
  );

  const facts = db.transaction((event: ExplainedEvent, wanted: string[]): ToldFacts[] => {
    const list = JSON.stringify(wanted);
    const rows = new Map(installations.all(list).map((row) => [row.id, row]));
    const stateLog = grouped(states.all(list));
    const grantLog = grouped(grants.all(list));
    const webhookLog = grouped(webhooks.all(list));
    const deliveries = deliveriesOf(event, list);
    const waiting = aheadOf(event, list);
    const lane = new Map(lanes.all(list).map((row) => [row.installationId, row]));
    const since = new Map(
      subscribed.all(event.context, event.type, list).map((row) => [row.installationId, row.since]),
    );
    return wanted.flatMap((id) => {
      const installation = rows.get(id);
      if (!installation) return [];
      return {
        installation,
        states: (stateLog.get(id) ?? []).map(({ installationId: _, ...period }) => period),
        grants: (grantLog.get(id) ?? []).map(readGrant),
        webhooks: webhookLog.get(id) ?? [],
        subscribedSince: since.get(id) ?? null,
        deliveries: deliveries.get(id) ?? [],
        lane: lane.get(id),
        isFanOutAhead: waiting.has(id),
      };
    });
  });

  return {
    async outcomes(event, { after = LAST, limit }) {
      await unwritten.settle(({ eventId }) => eventId === event.id);
      return outcomes(event, after, limit);
    },
    async facts(event, installationIds) {
      await unwritten.settle(({ eventId }) => eventId === event.id);
      return facts(event, installationIds);
    },
  };
}

function grouped<T extends { installationId: string | null }>(rows: T[]): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const row of rows) push(groups, row.installationId!, row);
  return groups;
}

function push<T>(groups: Map<string, T[]>, key: string, value: T): void {
  const group = groups.get(key);
  if (group) group.push(value);
  else groups.set(key, [value]);
}
