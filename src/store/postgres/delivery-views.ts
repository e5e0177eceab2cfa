// Deliveries as an operator reads them: those still owed, and those whose last attempt is in the log. Ids begin with
// the event's time, so that newest first is by id.
import sql, { empty, raw } from 'sql-template-tag';
import { bucketOf, derivedIdsAt, timeOf } from '../../core/ids.ts';
import { traceOf } from '../../core/trace.ts';
import type { DeliveryStore } from '../delivery-store.ts';
import type {
  AttemptRecord,
  Delivery,
  DeliveryFilter,
  DeliveryState,
  DeliveryView,
  LoggedAttempt,
  Page,
} from '../rows.ts';
import { readWithheld } from '../withheld.ts';
import type { Database } from './database.ts';
import { type EndsBetween, endsNewestFirst, whereEndsStop } from './ended-deliveries.ts';
import type { Queries } from './queries.ts';

type Raw<T> = Omit<T, 'withheld'> & { withheld: string | null };

/** What one page reads at most of the log, and as much of what is owed: it may come out short, and says where to go on. */
const ROWS_PER_PAGE = 50_000;

const OWED =
  raw(`SELECT d.id, d.installation_id AS "installationId", i.addon_key AS "addonKey", i.context,
    d.webhook_id AS "webhookId", d.event_id AS "eventId", d.event_type AS "eventType",
    CASE WHEN d.attempts = 0 THEN 'pending' ELSE 'retrying' END AS state, d.attempts,
    (SELECT l.reason FROM mortise.attempts l WHERE l.delivery_id = d.id ORDER BY l.seq DESC LIMIT 1) AS reason,
    d.event_at AS "createdAt", d.due_at AS "nextAttemptAt", NULL::bigint AS "endedAt", NULL AS withheld,
    d.replay_id AS "replayId"`);
const ENDED =
  raw(`SELECT a.delivery_id AS id, a.installation_id AS "installationId", i.addon_key AS "addonKey",
    i.context, a.webhook_id AS "webhookId", a.event_id AS "eventId", a.event_type AS "eventType", a.outcome AS state,
    a.number AS attempts, a.reason, a.event_at AS "createdAt", NULL::bigint AS "nextAttemptAt", a.at AS "endedAt",
    a.withheld, a.replay_id AS "replayId"`);

/** Some of what is asked for, newest first. */
interface Found {
  rows: Raw<Delivery>[];
  /** It was looked at down to this id and no further; undefined: all of it was. */
  downTo?: string;
}

interface Range extends EndsBetween {
  state: DeliveryState | undefined;
  /** One more than a page has: whether there is another. */
  limit: number;
}

export function deliveryViews(db: Database): Pick<DeliveryStore, 'find' | 'list'> {
  return {
    find: (id) => db.snapshot((tx) => find(tx, id)),
    list: (filter) => db.snapshot((tx) => list(tx, filter)),
  };
}

async function find(tx: Queries, id: string): Promise<DeliveryView | undefined> {
  const row =
    (await tx.get<Raw<Delivery>>(
      sql`${OWED} FROM mortise.deliveries d JOIN mortise.installations i ON i.id = d.installation_id WHERE d.id = ${id}`,
    )) ??
    (await tx.get<Raw<Delivery>>(
      sql`${ENDED} FROM mortise.attempts a JOIN mortise.installations i ON i.id = a.installation_id
        WHERE a.delivery_id = ${id} AND a.outcome <> 'retry' ORDER BY a.seq DESC LIMIT 1`,
    ));
  if (!row) return undefined;
  const event = await tx.get<{ id: string; traceId: string | null }>(
    sql`SELECT id, trace_id AS "traceId" FROM mortise.events
      WHERE id = ${row.eventId} AND created_at = ${row.createdAt}`,
  );
  const log = await tx.all<
    Raw<LoggedAttempt>
  >(sql`SELECT number, at, duration_ms AS "durationMs", outcome, status,
      reason, message, response_excerpt AS "responseExcerpt", url, withheld, next_due_at AS "nextDueAt",
      replay_id AS "replayId"
    FROM mortise.attempts WHERE delivery_id = ${id} ORDER BY seq`);
  return { ...read(row), traceId: event ? traceOf(event) : null, log: log.map(read) };
}

async function list(tx: Queries, filter: DeliveryFilter): Promise<Page<Delivery>> {
  const range = await toRange(tx, filter);
  const { state } = filter;
  const isOfOwed = state === 'pending' || state === 'retrying';
  const open = state === undefined || isOfOwed ? await listOwed(tx, range) : { rows: [] };
  const isOpen = new Set(open.rows.map(({ id }) => id));
  const ended = isOfOwed ? { rows: [] } : await listEnded(tx, range);
  const downTo = later(open.downTo, ended.downTo);
  const rows = [...open.rows, ...ended.rows.filter(({ id }) => !isOpen.has(id))]
    .filter(({ id }) => downTo === undefined || id >= downTo)
    .sort((a, b) => (a.id < b.id ? 1 : -1));
  const items = rows.slice(0, filter.limit).map(read);
  return { items, next: rows.length > filter.limit ? items.at(-1)!.id : (downTo ?? null) };
}

async function listOwed(tx: Queries, range: Range): Promise<Found> {
  const { installation, event, state, limit } = range;
  const between = sql`d.id > ${range.above} AND d.id < ${range.below}
    ${event === null ? empty : sql`AND d.event_id = ${event}`}
    ${installation === null ? empty : sql`AND d.bucket = ${bucketOf(installation)} AND d.installation_id = ${installation}`}`;
  const rows = await tx.all<Raw<Delivery>>(sql`${OWED}
    FROM (SELECT d.* FROM mortise.deliveries d WHERE ${between} ORDER BY d.id DESC LIMIT ${ROWS_PER_PAGE}) d
    JOIN mortise.installations i ON i.id = d.installation_id
    ${state === undefined ? empty : sql`WHERE (d.attempts = 0) = ${state === 'pending'}`}
    ORDER BY d.id DESC LIMIT ${limit}`);
  if (rows.length === limit) return full(rows);
  const last = await tx.get<{
    id: string;
  }>(sql`SELECT d.id FROM mortise.deliveries d WHERE ${between}
    ORDER BY d.id DESC OFFSET ${ROWS_PER_PAGE - 1} LIMIT 1`);
  return { rows, downTo: last?.id };
}

async function listEnded(tx: Queries, range: Range): Promise<Found> {
  const { state, limit } = range;
  const rows = await tx.all<Raw<Delivery>>(sql`${ENDED}
    FROM ${endsNewestFirst(range, ROWS_PER_PAGE)} a
    JOIN mortise.installations i ON i.id = a.installation_id
    ${state === undefined ? empty : sql`WHERE a.outcome = ${state}`}
    ORDER BY a.delivery_id DESC LIMIT ${limit}`);
  if (rows.length === limit) return full(rows);
  return { rows, downTo: await whereEndsStop(tx, range, ROWS_PER_PAGE, 'newest first') };
}

/** A page of the one may be of older deliveries than a page of the other. */
function full(rows: Raw<Delivery>[]): Found {
  return { rows, downTo: rows.at(-1)!.id };
}

function later(a: string | undefined, b: string | undefined): string | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return a > b ? a : b;
}

/** `after` is the last id of the page before. An event's deliveries stand together, under its time. */
async function toRange(tx: Queries, filter: DeliveryFilter): Promise<Range> {
  const at = filter.eventId === undefined ? undefined : await eventTime(tx, filter.eventId);
  const [from, to] = at === undefined ? [FIRST, LAST] : derivedIdsAt(at);
  const since = filter.since === undefined ? FIRST : derivedIdsAt(filter.since)[0];
  const { installationId = null, eventId = null, state, after = LAST, limit } = filter;
  return {
    installation: installationId,
    event: eventId,
    state,
    above: from > since ? from : since,
    below: to < after ? to : after,
    limit: limit + 1,
  };
}

async function eventTime(tx: Queries, id: string): Promise<number | undefined> {
  const row = await tx.get<{ at: number }>(
    sql`SELECT created_at AS at FROM mortise.events WHERE id = ${id}`,
  );
  // Past retention: its id still tells.
  return row?.at ?? timeOf(id);
}

function read<T extends { withheld: string | null }>(
  row: T,
): Omit<T, 'withheld'> & Pick<AttemptRecord, 'withheld'> {
  return { ...row, withheld: readWithheld(row.withheld) };
}

/** Below everything, and above everything, that is an id. */
const FIRST = '';
const LAST = '~';
