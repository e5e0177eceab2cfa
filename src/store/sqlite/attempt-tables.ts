// The log of attempts, in tables by day. A row that ended its delivery carries everything the list of deliveries shows.
import type { Database, Statement } from 'better-sqlite3';
import type { EndedState } from '../replay-rows.ts';
import type { AttemptRecord, Delivery, LoggedAttempt } from '../rows.ts';
import type { LoggedRow } from '../told-delivery.ts';
import { readWithheld } from '../withheld.ts';
import { DayTables } from './day-tables.ts';
import { createEndedTable, EndedAttempts, endedTable, selectEnded } from './ended-attempts.ts';

export type AttemptTables = DayTables<AttemptStatements>;

export function attemptTables(db: Database): AttemptTables {
  return new DayTables(db, {
    name: 'attempts',
    create,
    prepare,
    beside: (table) => [endedTable(table)],
  });
}

function create(table: string): string {
  return `CREATE TABLE IF NOT EXISTS ${table} (
    seq INTEGER PRIMARY KEY,
    delivery_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    at INTEGER NOT NULL,
    duration_ms INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    status INTEGER,
    reason TEXT,
    message TEXT,
    response_excerpt TEXT,
    url TEXT NOT NULL,
    withheld TEXT,
    next_due_at INTEGER,
    installation_id TEXT NOT NULL,
    webhook_id TEXT NOT NULL,
    event_id TEXT NOT NULL,
    event_type TEXT NOT NULL,
    event_at INTEGER NOT NULL,
    replay_id TEXT
  );
  CREATE INDEX IF NOT EXISTS ${table}_delivery ON ${table} (delivery_id);
  DROP INDEX IF EXISTS ${table}_ended;
  ${createEndedTable(table)}`;
}

interface RawAttempt extends Omit<LoggedAttempt, 'withheld'> {
  withheld: string | null;
}

export interface RawDelivery extends Omit<Delivery, 'withheld'> {
  withheld: string | null;
}

/** Ids and times between which to look, newest first. */
export interface EndedFilter {
  installation: string | null;
  event: string | null;
  state: string | null;
  above: string;
  below: string;
  limit: number;
}

/** How a delivery ended, as far as a replay asks. */
export interface EndedDelivery {
  id: string;
  installationId: string;
  webhookId: string;
  eventId: string;
  eventType: string;
  eventAt: number;
  outcome: EndedState;
  replayId: string | null;
}

interface EndsFilter {
  installation: string | null;
  type: string | null;
  event: string | null;
  after: string;
  below: string;
  limit: number;
}

/** Deliveries, by a JSON list of their ids, and why they are not sent. */
interface Unsent {
  ids: string;
  at: number;
  reason: string;
  message: string;
}

interface AttemptStatements {
  insert: Statement;
  ended: EndedAttempts;
  /** Deliveries that are ended without being sent. */
  insertUnsent: Statement<Unsent>;
  log: Statement<[string], RawAttempt>;
  lastEnd: Statement<[string], RawDelivery>;
  /** The reason of the last attempt. */
  lastReason: Statement<[string], string | null>;
  /** Of each id of a JSON list: the last attempt, and the one that ended it last. */
  lastOf: Statement<[string], LoggedRow>;
  /** The last end of each delivery of this table, in the order of their ids. */
  ends: Statement<EndsFilter, EndedDelivery>;
  endsOfAll: Statement<EndsFilter, EndedDelivery>;
  endOf: Statement<[string], EndedDelivery>;
  ofInstallation: Statement<EndedFilter, RawDelivery>;
  ofAll: Statement<EndedFilter, RawDelivery>;
}

function prepare(db: Database, table: string): AttemptStatements {
  const columns = `a.installation_id AS installationId, i.addon_key AS addonKey, i.context,
      a.webhook_id AS webhookId, a.event_id AS eventId, a.event_type AS eventType, a.outcome AS state,
      a.number AS attempts, a.reason, a.event_at AS createdAt, NULL AS nextAttemptAt, a.at AS endedAt, a.withheld,
      a.replay_id AS replayId`;
  const join = 'JOIN installations i ON i.id = a.installation_id';
  const ended = `SELECT a.delivery_id AS id, ${columns} FROM ${table} a ${join}`;
  const isBetween = (id: string) => `${id} > @above AND ${id} < @below`;
  const conditions = `(@event IS NULL OR a.event_id = @event) AND (@state IS NULL OR a.outcome = @state)
      AND NOT EXISTS (SELECT 1 FROM ${table} b
        WHERE b.delivery_id = a.delivery_id AND b.outcome <> 'retry' AND b.seq > a.seq)`;
  const endColumns = `a.installation_id AS installationId, a.webhook_id AS webhookId,
      a.event_id AS eventId, a.event_type AS eventType, a.event_at AS eventAt, a.outcome, a.replay_id AS replayId`;
  const end = `SELECT a.delivery_id AS id, ${endColumns} FROM ${table} a`;
  const isAfter = (id: string) => `${id} > @after AND ${id} < @below`;
  const isAskedFor = `(@type IS NULL OR a.event_type = @type) AND (@event IS NULL OR a.event_id = @event)
      AND NOT EXISTS (SELECT 1 FROM ${table} b
        WHERE b.delivery_id = a.delivery_id AND b.outcome <> 'retry' AND b.seq > a.seq)`;
  return {
    ended: new EndedAttempts(db, table),
    ends: db.prepare(
      `${selectEnded(table, { columns: endColumns, range: isAfter, conditions: isAskedFor })}
       ORDER BY id LIMIT @limit`,
    ),
    endsOfAll: db.prepare<EndsFilter, EndedDelivery>(
      `${end} WHERE a.outcome <> 'retry' AND ${isAfter('a.delivery_id')} AND ${isAskedFor}
       ORDER BY a.delivery_id LIMIT @limit`,
    ),
    endOf: db.prepare<[string], EndedDelivery>(
      `${end} WHERE a.delivery_id = ? AND a.outcome <> 'retry' ORDER BY a.seq DESC LIMIT 1`,
    ),
    insert: db.prepare(
      `INSERT INTO ${table} (delivery_id, number, at, duration_ms, outcome, status, reason, message,
         response_excerpt, url, withheld, next_due_at, installation_id, webhook_id, event_id, event_type, event_at,
         replay_id)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
    insertUnsent: db.prepare(
      `INSERT INTO ${table} (delivery_id, number, at, duration_ms, outcome, reason, message, url, installation_id,
         webhook_id, event_id, event_type, event_at, replay_id)
       SELECT d.id, 0, @at, 0, 'dropped', @reason, @message, '', d.installation_id, d.webhook_id, d.event_id,
         d.event_type, d.event_at, d.replay_id
       FROM json_each(@ids) j JOIN deliveries d ON d.id = j.value`,
    ),
    log: db.prepare<[string], RawAttempt>(
      `SELECT number, at, duration_ms AS durationMs, outcome, status, reason, message,
         response_excerpt AS responseExcerpt, url, withheld, next_due_at AS nextDueAt, replay_id AS replayId
       FROM ${table} WHERE delivery_id = ? ORDER BY seq`,
    ),
    lastEnd: db.prepare<[string], RawDelivery>(
      `${ended} WHERE a.delivery_id = ? AND a.outcome <> 'retry' ORDER BY a.seq DESC LIMIT 1`,
    ),
    lastReason: db
      .prepare<[string], string | null>(
        `SELECT reason FROM ${table} WHERE delivery_id = ? ORDER BY seq DESC LIMIT 1`,
      )
      .pluck(),
    lastOf: db.prepare<[string], LoggedRow>(
      `SELECT a.delivery_id AS id, a.number, a.at, a.outcome, a.status, a.reason, a.message, a.withheld
       FROM json_each(?) j JOIN ${table} a ON a.delivery_id = j.value
       WHERE a.seq IN (
         (SELECT MAX(b.seq) FROM ${table} b WHERE b.delivery_id = j.value),
         (SELECT MAX(b.seq) FROM ${table} b WHERE b.delivery_id = j.value AND b.outcome <> 'retry'))
       ORDER BY a.seq DESC`,
    ),
    ofInstallation: db.prepare<EndedFilter, RawDelivery>(
      `${selectEnded(table, { columns, join, range: isBetween, conditions })}
       ORDER BY id DESC LIMIT @limit`,
    ),
    ofAll: db.prepare<EndedFilter, RawDelivery>(
      `${ended} WHERE @installation IS NULL AND a.outcome <> 'retry' AND ${isBetween('a.delivery_id')} AND ${conditions}
       ORDER BY a.delivery_id DESC, a.seq DESC LIMIT @limit`,
    ),
  };
}

export function readAttempt(raw: RawAttempt): LoggedAttempt {
  return { ...raw, withheld: readWithheld(raw.withheld) };
}

export function readDelivery(raw: RawDelivery): Delivery {
  return { ...raw, withheld: readWithheld(raw.withheld) };
}

export function insertAttempt(tables: AttemptTables, record: AttemptRecord): void {
  const { delivery, withheld } = record;
  const { insert, ended } = tables.at(record.at);
  const { lastInsertRowid } = insert.run(
    delivery.id,
    record.number,
    record.at,
    record.durationMs,
    record.outcome,
    record.status,
    record.reason,
    record.message,
    record.responseExcerpt,
    record.url,
    withheld.length === 0 ? null : JSON.stringify(withheld),
    record.nextDueAt,
    delivery.installationId,
    delivery.webhookId,
    delivery.eventId,
    delivery.eventType,
    delivery.eventAt,
    delivery.replayId,
  );
  ended.inserted(Number(lastInsertRowid));
}

export function insertUnsent(tables: AttemptTables, unsent: Unsent): void {
  const { insertUnsent, ended } = tables.at(unsent.at);
  ended.inserted(Number(insertUnsent.run(unsent).lastInsertRowid));
}
