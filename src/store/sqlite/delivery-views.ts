// Deliveries as an operator reads them: those still owed, and those whose last attempt is in the log.
import type { Database } from 'better-sqlite3';
import type { AttemptRecord, Delivery, DeliveryFilter, DeliveryView } from '../rows.ts';
import type { DeliveryStore } from '../store.ts';

interface RawDelivery extends Omit<Delivery, 'withheld'> {
  withheld: string;
}
interface RawAttempt extends Omit<AttemptRecord, 'delivery' | 'withheld'> {
  withheld: string;
}

const OWED = `SELECT d.id, d.installation_id AS installationId, i.addon_key AS addonKey, i.context,
    d.webhook_id AS webhookId, d.event_id AS eventId, d.event_type AS eventType,
    CASE WHEN d.attempts = 0 THEN 'pending' ELSE 'retrying' END AS state, d.attempts,
    (SELECT a.reason FROM attempts a WHERE a.delivery_id = d.id ORDER BY a.seq DESC LIMIT 1) AS reason,
    d.created_at AS createdAt, d.due_at AS nextAttemptAt, NULL AS endedAt, '[]' AS withheld
  FROM deliveries d JOIN installations i ON i.id = d.installation_id`;

const ENDED = `SELECT a.delivery_id AS id, a.installation_id AS installationId, i.addon_key AS addonKey, i.context,
    a.webhook_id AS webhookId, a.event_id AS eventId, a.event_type AS eventType,
    a.outcome AS state, a.number AS attempts, a.reason,
    a.delivery_created_at AS createdAt, NULL AS nextAttemptAt, a.at AS endedAt, a.withheld
  FROM attempts a JOIN installations i ON i.id = a.installation_id`;

export function deliveryViews(db: Database): Pick<DeliveryStore, 'find' | 'list'> {
  const owed = db.prepare<[string], RawDelivery>(`${OWED} WHERE d.id = ?`);
  const ended = db.prepare<[string], RawDelivery>(
    `${ENDED} WHERE a.delivery_id = ? AND a.outcome <> 'retry' ORDER BY a.seq DESC LIMIT 1`,
  );
  const log = db.prepare<[string], RawAttempt>(
    `SELECT number, at, duration_ms AS durationMs, outcome, status, reason, message,
       response_excerpt AS responseExcerpt, url, withheld, next_due_at AS nextDueAt
     FROM attempts WHERE delivery_id = ? ORDER BY seq`,
  );
  const listOwed = db.prepare<Filter, RawDelivery>(
    `${OWED} WHERE ${conditions('d.created_at', 'd.id', 'd')}
       AND (@state IS NULL OR (@state = 'pending') = (d.attempts = 0))
     ORDER BY d.created_at DESC, d.id DESC LIMIT @limit`,
  );
  const listEnded = db.prepare<Filter, RawDelivery>(
    `${ENDED} WHERE a.outcome <> 'retry' AND ${conditions('a.delivery_created_at', 'a.delivery_id', 'a')}
       AND (@state IS NULL OR a.outcome = @state)
     ORDER BY a.delivery_created_at DESC, a.delivery_id DESC LIMIT @limit`,
  );
  return {
    async find(id): Promise<DeliveryView | undefined> {
      const raw = owed.get(id) ?? ended.get(id);
      return raw && { ...readDelivery(raw), log: log.all(id).map(readAttempt) };
    },
    async list(filter) {
      const parameters = toParameters(filter);
      const wantsOwed = [undefined, 'pending', 'retrying'].includes(filter.state);
      const wantsEnded = !['pending', 'retrying'].includes(filter.state ?? '');
      const rows = [
        ...(wantsOwed ? listOwed.all(parameters) : []),
        ...(wantsEnded ? listEnded.all(parameters) : []),
      ]
        .sort((a, b) => b.createdAt - a.createdAt || (a.id < b.id ? 1 : -1))
        .map(readDelivery);
      const items = rows.slice(0, filter.limit);
      const last = items.at(-1);
      return {
        items,
        next: rows.length > filter.limit && last ? `${last.createdAt}.${last.id}` : null,
      };
    },
  };
}

interface Filter {
  installation: string | null;
  event: string | null;
  state: string | null;
  since: number | null;
  beforeAt: number | null;
  beforeId: string | null;
  limit: number;
}

/** Newest first; `after` is the last row of the page before: `<createdAt>.<id>`. */
function toParameters(filter: DeliveryFilter): Filter {
  const [at, id] = filter.after?.split('.') ?? [];
  return {
    installation: filter.installationId ?? null,
    event: filter.eventId ?? null,
    state: filter.state ?? null,
    since: filter.since ?? null,
    beforeAt: at === undefined ? null : Number(at),
    beforeId: id ?? null,
    limit: filter.limit + 1,
  };
}

function conditions(createdAt: string, id: string, alias: string): string {
  return `(@installation IS NULL OR ${alias}.installation_id = @installation)
    AND (@event IS NULL OR ${alias}.event_id = @event)
    AND (@since IS NULL OR ${createdAt} >= @since)
    AND (@beforeAt IS NULL OR ${createdAt} < @beforeAt OR (${createdAt} = @beforeAt AND ${id} < @beforeId))`;
}

function readDelivery(raw: RawDelivery): Delivery {
  return { ...raw, withheld: JSON.parse(raw.withheld) };
}

function readAttempt(raw: RawAttempt): Omit<AttemptRecord, 'delivery'> {
  return { ...raw, withheld: JSON.parse(raw.withheld) };
}
