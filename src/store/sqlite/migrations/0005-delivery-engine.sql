-- Events and attempts live in tables by day (events_YYYYMMDD, attempts_YYYYMMDD), made when first written and
-- dropped whole when past retention. What was written before stays in a table of day 0.
DROP INDEX attempts_delivery;
DROP INDEX attempts_ended;
DROP INDEX attempts_installation;
DROP INDEX attempts_event;

CREATE TABLE events_00000000 (
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
);
INSERT INTO events_00000000 (seq, id, type, context, resource, actor, payload, created_at)
  SELECT seq, id, type, context, resource, actor, payload, created_at FROM events;

CREATE TABLE attempts_00000000 (
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
INSERT INTO attempts_00000000 (seq, delivery_id, number, at, duration_ms, outcome, status, reason, message,
    response_excerpt, url, withheld, next_due_at, installation_id, webhook_id, event_id, event_type, event_at)
  SELECT seq, delivery_id, number, at, duration_ms, outcome, status, reason, message, response_excerpt, url,
    withheld, next_due_at, installation_id, webhook_id, event_id, event_type, delivery_created_at FROM attempts;
CREATE INDEX attempts_00000000_delivery ON attempts_00000000 (delivery_id);
CREATE INDEX attempts_00000000_ended ON attempts_00000000 (installation_id, delivery_id) WHERE outcome <> 'retry';

-- What still has to be fanned out, found by its presence. It says all that fan-out asks, so that no payload is read.
-- AUTOINCREMENT: a number is never given twice, since it orders events over the tables of all days.
CREATE TABLE new_outbox (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  bucket INTEGER NOT NULL,
  event_id TEXT NOT NULL,
  event_type TEXT NOT NULL,
  event_at INTEGER NOT NULL,
  context TEXT NOT NULL,
  resource TEXT,
  ordering_key TEXT,
  -- How far a wide event has come: the last installation that was served.
  after_installation TEXT NOT NULL DEFAULT ''
);
INSERT INTO new_outbox (seq, bucket, event_id, event_type, event_at, context, resource, after_installation)
  SELECT o.event_seq, o.bucket, e.id, e.type, e.created_at, e.context, e.resource, o.after_installation
  FROM outbox o JOIN events e ON e.seq = o.event_seq;
-- The count goes on after the events there are.
INSERT INTO new_outbox (seq, bucket, event_id, event_type, event_at, context)
  SELECT MAX(seq) + 1, 0, '', '', 0, '' FROM events HAVING MAX(seq) IS NOT NULL;
DELETE FROM new_outbox WHERE event_id = '';
DROP TABLE outbox;
ALTER TABLE new_outbox RENAME TO outbox;

CREATE TABLE new_deliveries (
  id TEXT PRIMARY KEY,
  bucket INTEGER NOT NULL,
  installation_id TEXT NOT NULL,
  webhook_id TEXT NOT NULL,
  event_seq INTEGER NOT NULL,
  event_id TEXT NOT NULL,
  event_type TEXT NOT NULL,
  event_at INTEGER NOT NULL,
  ordering_key TEXT,
  replay_id TEXT,
  attempts INTEGER NOT NULL DEFAULT 0,
  due_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO new_deliveries (id, bucket, installation_id, webhook_id, event_seq, event_id, event_type, event_at,
    attempts, due_at, expires_at)
  SELECT id, bucket, installation_id, webhook_id, event_seq, event_id, event_type, event_at, attempts, due_at,
    expires_at FROM deliveries;
DROP TABLE deliveries;
ALTER TABLE new_deliveries RENAME TO deliveries;
CREATE INDEX deliveries_due ON deliveries (installation_id, due_at, event_seq);
-- Whether an earlier event of the same order is still owed.
CREATE INDEX deliveries_ordered ON deliveries (webhook_id, ordering_key, event_seq) WHERE ordering_key IS NOT NULL;

DROP TABLE events;
DROP TABLE attempts;

-- How an installation's endpoint fares: a row only while something is wrong with it.
CREATE TABLE lane_states (
  installation_id TEXT PRIMARY KEY,
  failures INTEGER NOT NULL,
  failing_since INTEGER,
  probes INTEGER NOT NULL,
  open_until INTEGER,
  silent_until INTEGER,
  paused_at INTEGER
) WITHOUT ROWID;

-- 410: the add-on wants no more of this webhook.
ALTER TABLE webhooks ADD COLUMN off_since INTEGER;
