// Why an event was told to whom: read for many installations at once, with a number of queries that does not depend on
// how many. A delivery is found by its id, which follows from event, installation and webhook.
import sql, { raw } from 'sql-template-tag';
import { bucketOf } from '../../core/ids.ts';
import type { ExplainedEvent, StatePeriod, ToldFacts, ToldOf } from '../explanation-rows.ts';
import type { ExplanationStore } from '../explanation-store.ts';
import type { InstallationRow, LaneState, WebhookRow } from '../rows.ts';
import type { Database } from './database.ts';
import { SUBSCRIBED_THEN } from './fan-out.ts';
import { GRANT_COLUMNS, type RawGrant, readGrant } from './grants.ts';
import { installationColumns } from './installation-row.ts';
import type { Queries } from './queries.ts';
import { toldDeliveries } from './told-deliveries.ts';

type Of<T> = T & { installationId: string };

const INSTALLATION = installationColumns('i');
const LANE_STATE =
  raw(`l.installation_id AS "installationId", l.failures, l.failing_since AS "failingSince", l.probes,
  l.open_until AS "openUntil", l.silent_until AS "silentUntil", l.paused_at AS "pausedAt"`);

export function explanationStore(db: Database): ExplanationStore {
  return {
    outcomes: (event, query) => db.snapshot((tx) => outcomes(tx, event, query)),
    facts: (event, installationIds) => db.snapshot((tx) => facts(tx, event, installationIds)),
  };
}

async function outcomes(
  tx: Queries,
  event: ExplainedEvent,
  { after = LAST, limit }: { after?: string; limit: number },
): Promise<ToldOf[]> {
  const { context, createdAt: at } = event;
  const page = await tx.all<{ id: string }>(sql`SELECT i.id FROM mortise.installations i
    WHERE i.context = ${context} AND i.id < ${after} AND (i.state IN ('enabled', 'disabled') OR EXISTS (
      SELECT 1 FROM mortise.installation_states s
      WHERE s.installation_id = i.id AND s.since <= ${at} AND (s.until IS NULL OR s.until >= ${at})))
    ORDER BY i.id DESC LIMIT ${limit}`);
  const ids = page.map(({ id }) => id);
  const deliveries = await toldDeliveries(tx, event, ids);
  const waiting = await aheadOf(tx, event, ids);
  return ids.map((installationId) => ({
    installationId,
    states: (deliveries.get(installationId) ?? []).map(({ state }) => state),
    isFanOutAhead: waiting.has(installationId),
  }));
}

async function facts(tx: Queries, event: ExplainedEvent, ids: string[]): Promise<ToldFacts[]> {
  const installations = await tx.all<InstallationRow>(
    sql`SELECT ${INSTALLATION} FROM mortise.installations i WHERE i.id = ANY(${ids})`,
  );
  const states = grouped(
    await tx.all<
      Of<StatePeriod>
    >(sql`SELECT installation_id AS "installationId", state, since, until
      FROM mortise.installation_states WHERE installation_id = ANY(${ids}) ORDER BY seq`),
  );
  const grants = grouped(
    await tx.all<Of<RawGrant>>(sql`SELECT ${GRANT_COLUMNS} FROM mortise.oauth_grants
      WHERE installation_id = ANY(${ids}) AND kind = 'installation' AND handshake_id IS NULL ORDER BY since, id`),
  );
  const webhooks = grouped(await webhookLog(tx, ids));
  const deliveries = await toldDeliveries(tx, event, ids);
  const waiting = await aheadOf(tx, event, ids);
  const lanes = await tx.all<LaneState>(sql`SELECT ${LANE_STATE} FROM mortise.lane_states l
    WHERE l.bucket = ANY(${ids.map(bucketOf)}) AND l.installation_id = ANY(${ids})`);
  const subscribed = await tx.all<
    Of<{ since: number }>
  >(sql`SELECT installation_id AS "installationId", min(since) AS since
      FROM mortise.subscriptions WHERE context = ${event.context} AND event_type = ${event.type}
        AND installation_id = ANY(${ids}) GROUP BY installation_id`);
  const row = new Map(installations.map((one) => [one.id, one]));
  const lane = new Map(lanes.map((one) => [one.installationId, one]));
  const since = new Map(subscribed.map((one) => [one.installationId, one.since]));
  return ids.flatMap((id) => {
    const installation = row.get(id);
    if (!installation) return [];
    return {
      installation,
      states: (states.get(id) ?? []).map(({ installationId: _, ...period }) => period),
      grants: (grants.get(id) ?? []).map(readGrant),
      webhooks: webhooks.get(id) ?? [],
      subscribedSince: since.get(id) ?? null,
      deliveries: deliveries.get(id) ?? [],
      lane: lane.get(id),
      isFanOutAhead: waiting.has(id),
    };
  });
}

/** After an earlier time, the present one begins where that ended. */
function webhookLog(tx: Queries, ids: string[]): Promise<WebhookRow[]> {
  return tx.all(sql`WITH w AS (SELECT * FROM mortise.webhooks WHERE installation_id = ANY(${ids}))
    SELECT w.id, w.installation_id AS "installationId", w.event, w.url,
      greatest(w.since, (SELECT max(p.until) FROM mortise.webhook_periods p WHERE p.webhook_id = w.id)) AS since,
      w.until, w.off_since AS "offSince" FROM w
    UNION ALL
    SELECT w.id, w.installation_id, w.event, w.url, p.since, p.until, p.off_since
    FROM w JOIN mortise.webhook_periods p ON p.webhook_id = w.id
    ORDER BY since`);
}

/** Those of the installations to which the fan-out has not come yet. */
async function aheadOf(tx: Queries, event: ExplainedEvent, ids: string[]): Promise<Set<string>> {
  const rows = await tx.all<{ id: string }>(sql`SELECT DISTINCT s.installation_id AS id
    FROM mortise.events v
    JOIN mortise.outbox o ON o.seq = v.seq
    JOIN mortise.subscriptions s ON s.context = o.context AND s.event_type = o.event_type
    JOIN mortise.installations i ON i.id = s.installation_id
    WHERE v.id = ${event.id} AND v.created_at = ${event.createdAt} AND s.installation_id = ANY(${ids})
      AND s.installation_id > o.after_installation AND ${SUBSCRIBED_THEN}`);
  return new Set(rows.map((row) => row.id));
}

function grouped<T extends { installationId: string | null }>(rows: T[]): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const row of rows) {
    const group = groups.get(row.installationId!);
    if (group) group.push(row);
    else groups.set(row.installationId!, [row]);
  }
  return groups;
}

/** Above everything that is an id. */
const LAST = '~';
