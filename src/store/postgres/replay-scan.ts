// Which deliveries a replay takes, page by page and always in the same order: those in the log by their id, then, where
// only today's grants count, what was never owed to webhooks that are subscribed now. A page reads a bounded number of
// rows, whatever it finds.
import sql, { raw } from 'sql-template-tag';
import { derivedIdsAt } from '../../core/ids.ts';
import type { Candidate, Cursor, Scanned } from '../replay-candidates.ts';
import type { EndedState, ReplaySelection } from '../replay-rows.ts';
import { replayedId } from '../replayed-id.ts';
import { type EndsBetween, endsOldestFirst, whereEndsStop } from './ended-deliveries.ts';
import type { Queries } from './queries.ts';
import { scanNeverOwed } from './replay-never-owed.ts';

/** The last end of a delivery, and what is known of it now. */
interface End extends Omit<Candidate, 'eventSeq' | 'outcome'> {
  outcome: EndedState;
  /** null: the event is past retention. */
  eventSeq: number | null;
  isOwed: boolean;
  /** Sent under an id of its own by an earlier replay: the original stands for both. */
  isCopy: boolean;
}

/** How many deliveries a page looks at, and how many rows of the log it reads for that. */
const LOOKED_AT_PER_PAGE = 500;
const ROWS_PER_PAGE = 5_000;

/** In one statement, so that what has just ended is never seen neither owed nor ended. */
const END =
  raw(`e.delivery_id AS id, e.installation_id AS "installationId", e.webhook_id AS "webhookId",
  e.event_id AS "eventId", e.event_type AS "eventType", e.event_at AS "eventAt", e.outcome,
  p.seq AS "eventSeq", p.ordering_key AS "orderingKey", d.id IS NOT NULL AS "isOwed",
  EXISTS (SELECT 1 FROM mortise.replays r WHERE r.id = e.replay_id AND r.new_ids) AS "isCopy"`);
const WITH_EVENT_AND_OWED = raw(`LEFT JOIN LATERAL (
    SELECT v.seq, v.ordering_key FROM mortise.events v WHERE v.id = e.event_id AND v.created_at = e.event_at LIMIT 1
  ) p ON true
  LEFT JOIN LATERAL (SELECT o.id FROM mortise.deliveries o WHERE o.id = e.delivery_id LIMIT 1) d ON true`);

/** @param replayId whose own deliveries do not count as owed; undefined while it is only counted */
export async function scanReplay(
  tx: Queries,
  what: ReplaySelection,
  cursor: string | null,
  most: number,
  replayId?: string,
): Promise<Scanned> {
  if (what.deliveryId !== null) return scanOne(tx, what.deliveryId);
  const first: Cursor = ['log', what.since === null ? '' : derivedIdsAt(what.since)[0]];
  const from: Cursor = cursor === null ? first : JSON.parse(cursor);
  return from[0] === 'log'
    ? scanLog(tx, what, from[1], most)
    : scanNeverOwed(tx, what, from, most, replayId);
}

async function scanLog(
  tx: Queries,
  what: ReplaySelection,
  after: string,
  most: number,
): Promise<Scanned> {
  const { rows, upTo } = await ends(tx, what, after);
  const wanted = rows.filter((end) => what.outcomes.includes(end.outcome) && !end.isCopy);
  const owedCopies = await copiesOwed(tx, wanted);
  const found: Scanned = { take: [], owed: 0, expired: 0, cursor: null };
  for (const end of wanted) {
    add(found, end, owedCopies);
    if (found.take.length === most) return { ...found, cursor: at('log', end.id) };
  }
  if (upTo !== undefined) return { ...found, cursor: at('log', upTo) };
  return { ...found, cursor: what.allowed === 'now' ? at('events', '', 0, '', '') : null };
}

/** The last end of each delivery after one, and the id up to which all were seen; undefined: to the last. */
async function ends(
  tx: Queries,
  what: ReplaySelection,
  after: string,
): Promise<{ rows: End[]; upTo?: string }> {
  const between: EndsBetween = {
    above: after,
    below: derivedIdsAt(what.until)[1],
    installation: what.installationId,
    event: what.eventId,
  };
  const { eventType } = what;
  const rows = await tx.all<End>(sql`SELECT ${END} FROM (
      SELECT * FROM ${endsOldestFirst(between, ROWS_PER_PAGE)} l
      WHERE ${eventType}::text IS NULL OR l.event_type = ${eventType}
      ORDER BY l.delivery_id LIMIT ${LOOKED_AT_PER_PAGE}) e
    ${WITH_EVENT_AND_OWED} ORDER BY e.delivery_id`);
  if (rows.length === LOOKED_AT_PER_PAGE) return { rows, upTo: rows.at(-1)!.id };
  return { rows, upTo: await whereEndsStop(tx, between, ROWS_PER_PAGE, 'oldest first') };
}

async function scanOne(tx: Queries, id: string): Promise<Scanned> {
  const found: Scanned = { take: [], owed: 0, expired: 0, cursor: null };
  const end = await tx.get<End>(sql`SELECT ${END} FROM (
      SELECT a.* FROM mortise.attempts a WHERE a.delivery_id = ${id} AND a.outcome <> 'retry'
      ORDER BY a.seq DESC LIMIT 1) e ${WITH_EVENT_AND_OWED}`);
  if (end) add(found, end, await copiesOwed(tx, [end]));
  else if (await tx.get(sql`SELECT 1 FROM mortise.deliveries WHERE id = ${id}`)) found.owed++;
  return found;
}

function add(found: Scanned, end: End, owedCopies: Set<string>): void {
  const { isOwed, isCopy: _, eventSeq, ...row } = end;
  if (isOwed || owedCopies.has(end.id)) found.owed++;
  else if (eventSeq === null) found.expired++;
  else found.take.push({ ...row, eventSeq });
}

/** Of these, those of which a copy is owed. */
async function copiesOwed(tx: Queries, ends: End[]): Promise<Set<string>> {
  const copying = await tx.all<{ id: string }>(
    sql`SELECT id FROM mortise.replays WHERE new_ids AND done > delivered + failed + dropped`,
  );
  const originals = new Map(
    copying.flatMap((replay) =>
      ends.map(({ id, eventAt }) => [replayedId(replay.id, id, eventAt), id] as const),
    ),
  );
  if (originals.size === 0) return new Set();
  const owed = await tx.all<{ id: string }>(
    sql`SELECT id FROM mortise.deliveries WHERE id = ANY(${[...originals.keys()]})`,
  );
  return new Set(owed.map(({ id }) => originals.get(id)!));
}

function at(...cursor: Cursor): string {
  return JSON.stringify(cursor);
}
