// Published events, in tables by day.
import type { Database, Statement } from 'better-sqlite3';
import type { EventRow } from '../rows.ts';
import { DayTables } from './day-tables.ts';

interface RangeFilter {
  from: number;
  since: number;
  until: number;
  type: string | null;
  id: string | null;
  limit: number;
}

interface PlacedEvent {
  eventSeq: number;
  eventId: string;
  eventType: string;
  eventAt: number;
  orderingKey: string | null;
  context: string;
  resource: string | null;
}

interface EventStatements {
  insert: Statement;
  bySeq: Statement<[number], StoredEvent>;
  seqOf: Statement<[string], number>;
  byId: Statement<[string], StoredEvent>;
  /** Of one event: what a delivery says of it. */
  place: Statement<[string], { eventSeq: number; orderingKey: string | null }>;
  range: Statement<RangeFilter, PlacedEvent>;
}

export type EventTables = DayTables<EventStatements>;

export function eventTables(db: Database): EventTables {
  return new DayTables(db, { name: 'events', create, prepare });
}

function create(table: string): string {
  return `CREATE TABLE IF NOT EXISTS ${table} (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    type TEXT NOT NULL,
    context TEXT NOT NULL,
    resource TEXT,
    actor TEXT,
    ordering_key TEXT,
    trace_id TEXT,
    payload BLOB NOT NULL,
    created_at INTEGER NOT NULL
  )`;
}

const COLUMNS = `id, type, context, resource, actor, ordering_key AS orderingKey, trace_id AS traceId, payload,
  created_at AS createdAt`;

function prepare(db: Database, table: string): EventStatements {
  return {
    insert: db.prepare(
      `INSERT INTO ${table} (seq, id, type, context, resource, actor, ordering_key, trace_id, payload, created_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
    bySeq: db.prepare<[number], StoredEvent>(`SELECT ${COLUMNS} FROM ${table} WHERE seq = ?`),
    seqOf: db.prepare<[string], number>(`SELECT seq FROM ${table} WHERE id = ?`).pluck(),
    byId: db.prepare<[string], StoredEvent>(`SELECT ${COLUMNS} FROM ${table} WHERE id = ?`),
    place: db.prepare<[string], { eventSeq: number; orderingKey: string | null }>(
      `SELECT seq AS eventSeq, ordering_key AS orderingKey FROM ${table} WHERE id = ?`,
    ),
    range: db.prepare(
      `SELECT seq AS eventSeq, id AS eventId, type AS eventType, created_at AS eventAt, ordering_key AS orderingKey,
         context, resource
       FROM ${table} WHERE seq >= @from AND created_at BETWEEN @since AND @until
         AND (@type IS NULL OR type = @type) AND (@id IS NULL OR id = @id) ORDER BY seq LIMIT @limit`,
    ),
  };
}

/** Before when all events have been let go of. */
export function forgottenEvents(db: Database) {
  const read = db
    .prepare<[], number>(
      `SELECT CAST(value AS INTEGER) FROM settings WHERE name = 'events_forgotten_before'`,
    )
    .pluck();
  const write = db.prepare(
    `INSERT INTO settings (name, value) VALUES ('events_forgotten_before', ?)
     ON CONFLICT (name) DO UPDATE SET value = MAX(CAST(value AS INTEGER), CAST(excluded.value AS INTEGER))`,
  );
  return {
    read: () => read.get() ?? 0,
    write: (before: number) => void write.run(String(before)),
  };
}

type StoredEvent = Omit<EventRow, 'idempotency'>;

export function findEvent(tables: EventTables, id: string): StoredEvent | undefined {
  for (const { byId } of tables.newestFirst()) {
    const row = byId.get(id);
    if (row) return row;
  }
  return undefined;
}
