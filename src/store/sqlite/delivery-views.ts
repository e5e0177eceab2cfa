// Deliveries as an operator reads them: those still owed, and those whose last attempt is in the log. Ids begin with
// the event's time, so that newest first is by id.
import type { Database } from 'better-sqlite3';
import { derivedIdsAt, timeOf } from '../../core/ids.ts';
import { traceOf } from '../../core/trace.ts';
import type { DeliveryStore } from '../delivery-store.ts';
import type { Delivery, DeliveryFilter, DeliveryView, Page } from '../rows.ts';
import {
  type AttemptTables,
  type EndedFilter,
  type RawDelivery,
  readAttempt,
  readDelivery,
} from './attempt-tables.ts';
import { type EventTables, findEvent } from './event-tables.ts';
import type { Unwritten } from './unwritten.ts';

const OWED = `SELECT d.id, d.installation_id AS installationId, i.addon_key AS addonKey, i.context,
    d.webhook_id AS webhookId, d.event_id AS eventId, d.event_type AS eventType,
    CASE WHEN d.attempts = 0 THEN 'pending' ELSE 'retrying' END AS state, d.attempts,
    d.event_at AS createdAt, d.due_at AS nextAttemptAt, NULL AS endedAt, NULL AS withheld, d.replay_id AS replayId
  FROM deliveries d JOIN installations i ON i.id = d.installation_id`;

export function deliveryViews(
  db: Database,
  tables: AttemptTables,
  events: EventTables,
  unwritten: Unwritten,
): Pick<DeliveryStore, 'find' | 'list'> {
  const owed = db.prepare<[string], RawDelivery>(`${OWED} WHERE d.id = ?`);
  const listOwed = db.prepare<EndedFilter, RawDelivery>(
    `${OWED} WHERE d.id > @above AND d.id < @below
       AND (@installation IS NULL OR d.installation_id = @installation) AND (@event IS NULL OR d.event_id = @event)
       AND (@state IS NULL OR (@state = 'pending') = (d.attempts = 0))
     ORDER BY d.id DESC LIMIT @limit`,
  );

  function lastReason(id: string): string | null {
    for (const table of tables.newestFirst()) {
      const reason = table.lastReason.get(id);
      if (reason !== undefined) return reason;
    }
    return null;
  }

  function lastEnd(id: string): RawDelivery | undefined {
    for (const table of tables.newestFirst()) {
      const row = table.lastEnd.get(id);
      if (row) return row;
    }
    return undefined;
  }

  /** The last end of each: one that was replayed has ended more than once, on different days perhaps. */
  function listEnded(filter: EndedFilter): { rows: RawDelivery[]; hasMore: boolean } {
    const rows: RawDelivery[] = [];
    let hasMore = false;
    const days = tables.newestFirst();
    for (const [i, table] of days.entries()) {
      const isLast = ({ id }: RawDelivery) => !days.slice(0, i).some((day) => day.lastEnd.get(id));
      // Of an older day only what comes before those that are found already.
      const above = rows.sort(newestFirst)[filter.limit - 1]?.id ?? filter.above;
      const ofDay = endsOfDay(table, { ...filter, above }, isLast);
      hasMore ||= ofDay.length === filter.limit;
      rows.push(...ofDay);
    }
    return { rows, hasMore };
  }

  function endsOfDay(
    { ofAll, ofInstallation }: Day,
    filter: EndedFilter,
    isLast: (row: RawDelivery) => boolean,
  ): RawDelivery[] {
    const list = filter.installation === null ? ofAll : ofInstallation;
    const found: RawDelivery[] = [];
    for (let { below } = filter; ; ) {
      const rows = list.all({ ...filter, below });
      found.push(...rows.filter(isLast));
      if (rows.length < filter.limit || found.length >= filter.limit) break;
      below = rows.at(-1)!.id;
    }
    return found.slice(0, filter.limit);
  }

  function eventTime(id: string): number | undefined {
    // Past retention: its id still tells.
    return findEvent(events, id)?.createdAt ?? timeOf(id);
  }

  /** `after` is the last id of the page before. An event's deliveries stand together, under its time. */
  function toRange(filter: DeliveryFilter): EndedFilter {
    const at = filter.eventId === undefined ? undefined : eventTime(filter.eventId);
    const [from, to] = at === undefined ? [FIRST, LAST] : derivedIdsAt(at);
    const since = filter.since === undefined ? FIRST : derivedIdsAt(filter.since)[0];
    const [above] = [from, since].sort().slice(-1);
    const [below] = [to, filter.after ?? LAST].sort();
    return {
      installation: filter.installationId ?? null,
      event: filter.eventId ?? null,
      state: filter.state ?? null,
      above: above!,
      below: below!,
      limit: filter.limit + 1,
    };
  }

  const find = db.transaction((id: string): DeliveryView | undefined => {
    const pending = owed.get(id);
    const raw = pending ? { ...pending, reason: lastReason(id) } : lastEnd(id);
    if (!raw) return undefined;
    const event = findEvent(events, raw.eventId);
    const log = tables.newestFirst().reverse();
    return {
      ...readDelivery(raw),
      traceId: event ? traceOf(event) : null,
      log: log.flatMap((table) => table.log.all(id)).map(readAttempt),
    };
  });

  const list = db.transaction((filter: DeliveryFilter): Page<Delivery> => {
    const wantsOwed = [undefined, 'pending', 'retrying'].includes(filter.state);
    const wantsEnded = !['pending', 'retrying'].includes(filter.state ?? '');
    const range = toRange(filter);
    const open = wantsOwed
      ? listOwed.all(range).map((row) => ({ ...row, reason: lastReason(row.id) }))
      : [];
    const isOpen = new Set(open.map(({ id }) => id));
    const ended = wantsEnded ? listEnded(range) : { rows: [], hasMore: false };
    const rows = [...open, ...ended.rows.filter(({ id }) => !isOpen.has(id))].sort(newestFirst);
    const items = rows.slice(0, filter.limit).map(readDelivery);
    const hasMore = rows.length > filter.limit || ended.hasMore;
    return { items, next: hasMore ? (items.at(-1)?.id ?? null) : null };
  });

  return {
    async find(id) {
      await unwritten.settle((delivery) => delivery.id === id);
      return find(id);
    },
    async list(filter) {
      const { installationId, eventId } = filter;
      await unwritten.settle(
        (delivery) =>
          (installationId === undefined || delivery.installationId === installationId) &&
          (eventId === undefined || delivery.eventId === eventId),
      );
      return list(filter);
    },
  };
}

function newestFirst(a: { id: string }, b: { id: string }): number {
  return a.id < b.id ? 1 : -1;
}

type Day = ReturnType<AttemptTables['at']>;

/** Below everything, and above everything, that is an id. */
const FIRST = '';
const LAST = '~';
