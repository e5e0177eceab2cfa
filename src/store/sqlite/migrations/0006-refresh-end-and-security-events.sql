-- When what came from one consent ends, however often it is refreshed; NULL: while it is used.
ALTER TABLE oauth_refresh_families ADD COLUMN expires_at INTEGER;

-- Where a consumer is told that a grant to it was taken back or narrowed (RFC 8935).
ALTER TABLE oauth_clients ADD COLUMN events_uri TEXT;

-- Each is about one grant that ended, whose id it has: its row is written in the same transaction.
CREATE TABLE security_events (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  client_id TEXT NOT NULL REFERENCES oauth_clients (id),
  user_id TEXT NOT NULL,
  -- What is left of the grant; '[]': nothing.
  scopes TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('owed', 'accepted', 'failed', 'dropped', 'superseded')),
  attempts INTEGER NOT NULL DEFAULT 0,
  due_at INTEGER NOT NULL,
  created_at INTEGER NOT NULL
);
CREATE INDEX security_events_owed ON security_events (client_id, due_at) WHERE state = 'owed';
CREATE INDEX security_events_client ON security_events (client_id, seq);

CREATE TABLE security_event_attempts (
  seq INTEGER PRIMARY KEY,
  event_id TEXT NOT NULL,
  number INTEGER NOT NULL,
  at INTEGER NOT NULL,
  url TEXT NOT NULL,
  status INTEGER,
  error_code TEXT,
  message TEXT,
  excerpt TEXT,
  duration_ms INTEGER NOT NULL
);
CREATE INDEX security_event_attempts_event ON security_event_attempts (event_id, seq);
