// Which deliveries a replay takes, page by page and always in the same order: those in the log by their id, then, where
// only today's grants count, what was never owed to webhooks that are subscribed now. A page reads a bounded number of
// rows, whatever it finds.
import type { Database } from 'better-sqlite3';
import { derivedIdAt, derivedIdsAt } from '../../core/ids.ts';
import type { Candidate, Cursor, Scanned } from '../replay-candidates.ts';
import type { ReplaySelection } from '../replay-rows.ts';
import { replayedId } from '../replayed-id.ts';
import type { AttemptTables, EndedDelivery } from './attempt-tables.ts';
import type { EventTables } from './event-tables.ts';
import { subscribedThen } from './subscribers.ts';

const LOOKED_AT_PER_PAGE = 500;

export function replayScan(db: Database, attempts: AttemptTables, events: EventTables) {
  const owedBy = db
    .prepare<[string], string | null>('SELECT replay_id FROM deliveries WHERE id = ?')
    .pluck();
  const makesNewIds = db.prepare<[string]>('SELECT 1 FROM replays WHERE id = ? AND new_ids = 1');
  const copying = db
    .prepare<[], string>(
      'SELECT id FROM replays WHERE new_ids = 1 AND done > delivered + failed + dropped',
    )
    .pluck();
  const subscribed = db.prepare<
    {
      context: string;
      type: string;
      resource: string | null;
      installation: string | null;
      afterInstallation: string;
      afterWebhook: string;
      limit: number;
    },
    { installationId: string; webhookId: string }
  >(
    `SELECT s.installation_id AS installationId, s.webhook_id AS webhookId
     FROM subscriptions s JOIN installations i ON i.id = s.installation_id
     WHERE s.context = @context AND s.event_type = @type
       AND (@installation IS NULL OR s.installation_id = @installation)
       AND (s.installation_id, s.webhook_id) > (@afterInstallation, @afterWebhook)
       AND (i.all_resources = 1 OR EXISTS (
         SELECT 1 FROM granted_resources r WHERE r.installation_id = i.id AND r.resource = @resource))
     ORDER BY s.installation_id, s.webhook_id LIMIT @limit`,
  );

  /** The fan-out has not come to it yet. */
  const isAhead = db.prepare<{ seq: number; installationId: string; webhookId: string }>(
    `SELECT 1 FROM outbox o
     JOIN subscriptions s ON s.context = o.context AND s.event_type = o.event_type
       AND s.installation_id = @installationId AND s.webhook_id = @webhookId
     JOIN installations i ON i.id = s.installation_id
     WHERE o.seq = @seq AND s.installation_id > o.after_installation AND ${subscribedThen('o.seq', 'o.resource')}`,
  );

  /** The last end of each delivery after one, and the id up to which all were seen; undefined: to the last. */
  function ends(what: ReplaySelection, after: string): { rows: EndedDelivery[]; upTo?: string } {
    const filter = {
      installation: what.installationId,
      type: what.eventType,
      event: what.eventId,
      after,
      below: derivedIdsAt(what.until)[1],
      limit: LOOKED_AT_PER_PAGE,
    };
    const last = new Map<string, EndedDelivery>();
    let upTo: string | undefined;
    for (const table of attempts.newestFirst()) {
      const rows = (filter.installation === null ? table.endsOfAll : table.ends).all(filter);
      for (const row of rows) if (!last.has(row.id)) last.set(row.id, row);
      const end = rows.length === LOOKED_AT_PER_PAGE ? rows.at(-1)!.id : undefined;
      if (end !== undefined && (upTo === undefined || end < upTo)) upTo = end;
    }
    const rows = [...last.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
    // Beyond, another day's table may hold a later end.
    return { rows: rows.filter(({ id }) => upTo === undefined || id <= upTo), upTo };
  }

  function scanLog(what: ReplaySelection, after: string, most: number): Scanned {
    const { rows, upTo } = ends(what, after);
    const found: Scanned = { take: [], owed: 0, expired: 0, cursor: null };
    for (const row of rows) {
      if (what.outcomes.includes(row.outcome) && !isCopy(row)) add(found, row);
      if (found.take.length === most) return { ...found, cursor: at('log', row.id) };
    }
    if (upTo !== undefined) return { ...found, cursor: at('log', upTo) };
    return { ...found, cursor: what.allowed === 'now' ? at('events', '', 0, '', '') : null };
  }

  /** Sent under an id of its own by an earlier replay: the original stands for both. */
  function isCopy({ replayId }: EndedDelivery): boolean {
    return replayId !== null && makesNewIds.get(replayId) !== undefined;
  }

  /** It, or a copy of it. */
  function isOwed({ id, eventAt }: EndedDelivery): boolean {
    const ids = [id, ...copying.all().map((replayId) => replayedId(replayId, id, eventAt))];
    return ids.some((one) => owedBy.get(one) !== undefined);
  }

  function add(found: Scanned, end: EndedDelivery): void {
    const { replayId: _, ...row } = end;
    if (isOwed(end)) found.owed++;
    else {
      const event = events.find(row.eventAt)?.place.get(row.eventId);
      if (event) found.take.push({ ...row, ...event });
      else found.expired++;
    }
  }

  function scanOne(id: string): Scanned {
    const found: Scanned = { take: [], owed: 0, expired: 0, cursor: null };
    for (const table of attempts.newestFirst()) {
      const row = table.endOf.get(id);
      if (!row) continue;
      add(found, row);
      return found;
    }
    if (owedBy.get(id) !== undefined) found.owed++;
    return found;
  }

  function scanEvents(
    what: ReplaySelection,
    [, day, seq, installationId, webhookId]: Cursor & { 0: 'events' },
    most: number,
    replayId: string | undefined,
  ): Scanned {
    const found: Scanned = { take: [], owed: 0, expired: 0, cursor: null };
    const log = attempts.newestFirst();
    let looked = 0;
    for (const { day: name, statements } of events.from(what.since ?? 0, day)) {
      const filter = {
        // The event the cursor stands in is read again: others of its webhooks may be left.
        from: name === day ? seq : 0,
        since: what.since ?? 0,
        until: what.until,
        type: what.eventType,
        id: what.eventId,
        limit: LOOKED_AT_PER_PAGE,
      };
      const rows = statements.range.all(filter);
      for (const event of rows) {
        const isBegun = name === day && event.eventSeq === seq;
        const pairs = subscribed.all({
          context: event.context,
          type: event.eventType,
          resource: event.resource,
          installation: what.installationId,
          afterInstallation: isBegun ? installationId : '',
          afterWebhook: isBegun ? webhookId : '',
          limit: LOOKED_AT_PER_PAGE - looked,
        });
        for (const pair of pairs) {
          addNeverOwed(found, event, pair, log, replayId);
          looked++;
          if (found.take.length === most || looked === LOOKED_AT_PER_PAGE) {
            const { installationId, webhookId } = pair;
            found.cursor = at('events', name, event.eventSeq, installationId, webhookId);
            return found;
          }
        }
        looked++;
        if (looked >= LOOKED_AT_PER_PAGE) {
          found.cursor = at('events', name, event.eventSeq, LAST, LAST);
          return found;
        }
      }
    }
    return found;
  }

  function addNeverOwed(
    found: Scanned,
    { context: _, resource: __, ...event }: ScannedEvent,
    pair: { installationId: string; webhookId: string },
    log: ReturnType<AttemptTables['newestFirst']>,
    replayId: string | undefined,
  ): void {
    const id = derivedIdAt(event.eventAt, event.eventId, pair.installationId, pair.webhookId);
    // In the log: those were looked at before.
    if (log.some((table) => table.endOf.get(id))) return;
    const owner = owedBy.get(id);
    if (owner === undefined && isAhead.get({ seq: event.eventSeq, ...pair })) found.owed++;
    else if (owner === undefined) found.take.push({ ...event, ...pair, id, outcome: null });
    else if (owner !== replayId) found.owed++;
  }

  /** @param replayId whose own deliveries do not count as owed; undefined while it is only counted */
  return (
    what: ReplaySelection,
    cursor: string | null,
    most: number,
    replayId?: string,
  ): Scanned => {
    if (what.deliveryId !== null) return scanOne(what.deliveryId);
    const first: Cursor = ['log', what.since === null ? '' : derivedIdsAt(what.since)[0]];
    const from: Cursor = cursor === null ? first : JSON.parse(cursor);
    return from[0] === 'log'
      ? scanLog(what, from[1], most)
      : scanEvents(what, from, most, replayId);
  };
}

type ScannedEvent = Pick<
  Candidate,
  'eventId' | 'eventType' | 'eventAt' | 'eventSeq' | 'orderingKey'
> & {
  context: string;
  resource: string | null;
};

function at(...cursor: Cursor): string {
  return JSON.stringify(cursor);
}

/** Above everything that is an id. */
const LAST = '~';
