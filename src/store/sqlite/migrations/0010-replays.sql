-- What is sent again: which deliveries a replay takes, and how far it has come.
CREATE TABLE replays (
  id TEXT PRIMARY KEY,
  state TEXT NOT NULL,
  delivery_id TEXT,
  installation_id TEXT,
  event_type TEXT,
  event_id TEXT,
  since INTEGER,
  until INTEGER NOT NULL,
  -- How what is taken has ended, as JSON list.
  outcomes TEXT NOT NULL,
  allowed TEXT NOT NULL,
  new_ids INTEGER NOT NULL,
  per_second INTEGER NOT NULL,
  -- Where the next chunk begins.
  cursor TEXT,
  total INTEGER NOT NULL,
  done INTEGER NOT NULL DEFAULT 0,
  already_delivered INTEGER NOT NULL DEFAULT 0,
  skipped_owed INTEGER NOT NULL DEFAULT 0,
  skipped_expired INTEGER NOT NULL DEFAULT 0,
  -- What came of those that are done.
  delivered INTEGER NOT NULL DEFAULT 0,
  failed INTEGER NOT NULL DEFAULT 0,
  dropped INTEGER NOT NULL DEFAULT 0,
  created_at INTEGER NOT NULL,
  ended_at INTEGER
) WITHOUT ROWID;
CREATE INDEX replays_running ON replays (id) WHERE state = 'running';
CREATE INDEX replays_copying ON replays (id) WHERE new_ids = 1;

-- 'now': what was granted when the event was published does not count, only what is granted at the time of sending.
ALTER TABLE deliveries ADD COLUMN allowed TEXT;

-- Installations that were declared well by hand, until the engine has noticed.
CREATE TABLE recoveries (
  installation_id TEXT PRIMARY KEY
) WITHOUT ROWID;
