// What was never owed, and would be under today's grants: event by event, in the order of their numbers, and of each
// the webhooks that are subscribed now.
import sql, { empty } from 'sql-template-tag';
import { derivedIdAt } from '../../core/ids.ts';
import type { Candidate, Cursor, Scanned } from '../replay-candidates.ts';
import type { ReplaySelection } from '../replay-rows.ts';
import type { Queries } from './queries.ts';

type Pair = Omit<Candidate, 'id' | 'outcome'>;

/** How many webhooks of events a page looks at, and how many events it reads for that. */
const LOOKED_AT_PER_PAGE = 500;
const EVENTS_PER_PAGE = 1_000;
const DAY_MS = 24 * 3_600_000;

export async function scanNeverOwed(
  tx: Queries,
  what: ReplaySelection,
  [, day, number, installationId, webhookId]: Cursor & { 0: 'events' },
  most: number,
  replayId: string | undefined,
): Promise<Scanned> {
  // One that SQLite began went by days: which numbers it has seen, its last one does not say. All of them are looked at
  // anew, which makes nothing due that was.
  const from = day === '' ? number : 0;
  const { pairs, readUpTo } = await pairsAfter(tx, what, from, installationId, webhookId);
  const ids = pairs.map((pair) =>
    derivedIdAt(pair.eventAt, pair.eventId, pair.installationId, pair.webhookId),
  );
  const known = await statesOf(tx, ids);
  const found: Scanned = { take: [], owed: 0, expired: 0, cursor: null };
  for (const [i, pair] of pairs.entries()) {
    const id = ids[i]!;
    const state = known.get(id);
    // In the log: those were looked at before.
    if (state === undefined) found.take.push({ ...pair, id, outcome: null });
    else if (state.isOwed && !state.hasEnded && state.replayId !== replayId) found.owed++;
    if (found.take.length === most) return { ...found, cursor: after(pair) };
  }
  if (pairs.length === LOOKED_AT_PER_PAGE) return { ...found, cursor: after(pairs.at(-1)!) };
  if (readUpTo === null) return found;
  const cursor: Cursor = ['events', '', readUpTo, LAST, LAST];
  return { ...found, cursor: JSON.stringify(cursor) };
}

/** The webhooks that are subscribed now to each event, after one of them; and the last event, if there may be more. */
async function pairsAfter(
  tx: Queries,
  what: ReplaySelection,
  from: number,
  installationId: string,
  webhookId: string,
): Promise<{ pairs: Pair[]; readUpTo: number | null }> {
  const { installationId: installation, eventType, eventId, until } = what;
  const since = what.since ?? 0;
  // Of whole days: of those in between, none is read in vain. One whose number it begins with is read again: others of
  // its webhooks may be left.
  const events = sql`SELECT v.seq, v.id, v.type, v.created_at, v.ordering_key, v.context, v.resource
    FROM mortise.events v WHERE v.seq >= ${from}
      AND v.created_at >= ${since - (since % DAY_MS)} AND v.created_at < ${until - (until % DAY_MS) + DAY_MS}
      ${eventId === null ? empty : sql`AND v.id = ${eventId}`}
    ORDER BY v.seq`;
  const pairs =
    await tx.all<Pair>(sql`SELECT v.seq AS "eventSeq", v.id AS "eventId", v.type AS "eventType",
      v.created_at AS "eventAt", v.ordering_key AS "orderingKey", s.installation_id AS "installationId",
      s.webhook_id AS "webhookId"
    FROM (${events} LIMIT ${EVENTS_PER_PAGE}) v
    -- By itself, and limited: otherwise all webhooks of all these events may be put in order for the first few.
    CROSS JOIN LATERAL (SELECT s.installation_id, s.webhook_id
      FROM mortise.subscriptions s JOIN mortise.installations i ON i.id = s.installation_id
      WHERE s.context = v.context AND s.event_type = v.type
        AND (${installation}::text IS NULL OR s.installation_id = ${installation})
        AND (v.seq > ${from} OR (s.installation_id, s.webhook_id) > (${installationId}, ${webhookId}))
        AND (i.all_resources OR EXISTS (
          SELECT 1 FROM mortise.granted_resources r WHERE r.installation_id = i.id AND r.resource = v.resource))
      ORDER BY s.installation_id, s.webhook_id LIMIT ${LOOKED_AT_PER_PAGE}) s
    WHERE v.created_at BETWEEN ${since} AND ${until} AND (${eventType}::text IS NULL OR v.type = ${eventType})
    ORDER BY v.seq, s.installation_id, s.webhook_id LIMIT ${LOOKED_AT_PER_PAGE}`);
  const last = await tx.get<{ seq: number }>(
    sql`SELECT v.seq FROM (${events} OFFSET ${EVENTS_PER_PAGE - 1} LIMIT 1) v`,
  );
  return { pairs, readUpTo: last?.seq ?? null };
}

/** Of those that are known: whether each has ended, and who owes it. As of one moment. */
async function statesOf(
  tx: Queries,
  ids: string[],
): Promise<Map<string, { hasEnded: boolean; isOwed: boolean; replayId: string | null }>> {
  const rows = await tx.all<{
    id: string;
    hasEnded: boolean;
    isOwed: boolean;
    replayId: string | null;
  }>(sql`SELECT j.id, a.is_there IS NOT NULL AS "hasEnded", d.id IS NOT NULL AS "isOwed", d.replay_id AS "replayId"
    FROM unnest(${ids}::text[]) j (id)
    LEFT JOIN LATERAL (SELECT true AS is_there FROM mortise.attempts l
      WHERE l.delivery_id = j.id AND l.outcome <> 'retry' LIMIT 1) a ON true
    LEFT JOIN LATERAL (SELECT o.id, o.replay_id FROM mortise.deliveries o WHERE o.id = j.id LIMIT 1) d ON true
    WHERE a.is_there OR d.id IS NOT NULL`);
  return new Map(rows.map((row) => [row.id, row]));
}

function after({ eventSeq, installationId, webhookId }: Pair): string {
  const cursor: Cursor = ['events', '', eventSeq, installationId, webhookId];
  return JSON.stringify(cursor);
}

/** Above everything that is an id. */
const LAST = '~';
