-- Times are milliseconds since 1970. Names are those of design words: installation, grant, delivery.

CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE install_keys (
  kid TEXT PRIMARY KEY,
  public_pem TEXT NOT NULL,
  private_sealed TEXT NOT NULL,
  created_at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE installations (
  id TEXT PRIMARY KEY,
  addon_key TEXT NOT NULL,
  context TEXT NOT NULL,
  client_key TEXT NOT NULL UNIQUE,
  oauth_client_id TEXT NOT NULL UNIQUE,
  state TEXT NOT NULL CHECK (state IN ('pending', 'enabled', 'disabled', 'uninstalled')),
  epoch INTEGER NOT NULL DEFAULT 1,
  descriptor_url TEXT,
  base_url TEXT,
  descriptor TEXT,
  descriptor_digest TEXT,
  descriptor_version INTEGER NOT NULL DEFAULT 0,
  acknowledged_secrets TEXT,
  candidate_secrets TEXT,
  all_resources INTEGER NOT NULL DEFAULT 1,
  all_resources_since INTEGER NOT NULL DEFAULT 0,
  call_holder TEXT,
  call_held_until INTEGER,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  installed_at INTEGER,
  uninstalled_at INTEGER,
  UNIQUE (addon_key, context)
);

CREATE TABLE oauth_clients (
  id TEXT PRIMARY KEY,
  kind TEXT NOT NULL,
  installation_id TEXT REFERENCES installations (id),
  secret_hash BLOB,
  enabled INTEGER NOT NULL,
  created_at INTEGER NOT NULL
);
CREATE INDEX oauth_clients_installation ON oauth_clients (installation_id);

-- Who gave which consumer which scopes on which resources: a log, each row in force from since to until.
CREATE TABLE oauth_grants (
  id TEXT PRIMARY KEY,
  client_id TEXT NOT NULL REFERENCES oauth_clients (id),
  installation_id TEXT REFERENCES installations (id),
  user_id TEXT,
  kind TEXT NOT NULL,
  scopes TEXT NOT NULL,
  resources TEXT,
  handshake_id TEXT,
  since INTEGER NOT NULL,
  until INTEGER,
  ended_because TEXT
);
CREATE INDEX oauth_grants_installation ON oauth_grants (installation_id, until);
CREATE INDEX oauth_grants_client ON oauth_grants (client_id, until);

CREATE TABLE oauth_access_tokens (
  token_hash BLOB PRIMARY KEY,
  grant_id TEXT NOT NULL,
  client_id TEXT NOT NULL,
  scopes TEXT NOT NULL,
  resources TEXT,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  revoked_at INTEGER
) WITHOUT ROWID;
CREATE INDEX oauth_access_tokens_grant ON oauth_access_tokens (grant_id);
CREATE INDEX oauth_access_tokens_expiry ON oauth_access_tokens (expires_at);

CREATE TABLE handshakes (
  id TEXT PRIMARY KEY,
  installation_id TEXT NOT NULL REFERENCES installations (id),
  grant_id TEXT NOT NULL,
  oauth_secret_hash BLOB NOT NULL,
  descriptor_url TEXT,
  base_url TEXT NOT NULL,
  descriptor TEXT NOT NULL,
  descriptor_digest TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('running', 'accepted', 'refused')),
  started_at INTEGER NOT NULL,
  deadline INTEGER NOT NULL,
  ended_at INTEGER
);
CREATE INDEX handshakes_running ON handshakes (installation_id) WHERE state = 'running';

CREATE TABLE lifecycle_calls (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  installation_id TEXT NOT NULL REFERENCES installations (id),
  kind TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('owed', 'done', 'failed', 'superseded')),
  attempts INTEGER NOT NULL DEFAULT 0,
  due_at INTEGER NOT NULL,
  created_at INTEGER NOT NULL
);
CREATE INDEX lifecycle_calls_owed ON lifecycle_calls (installation_id, seq) WHERE state = 'owed';

CREATE TABLE lifecycle_exchanges (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL,
  installation_id TEXT NOT NULL,
  kind TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  method TEXT NOT NULL,
  url TEXT NOT NULL,
  status INTEGER,
  error_code TEXT,
  message TEXT,
  excerpt TEXT,
  at INTEGER NOT NULL,
  duration_ms INTEGER NOT NULL
);
CREATE INDEX lifecycle_exchanges_installation ON lifecycle_exchanges (installation_id, seq);

CREATE TABLE webhooks (
  id TEXT PRIMARY KEY,
  installation_id TEXT NOT NULL REFERENCES installations (id),
  event TEXT NOT NULL,
  url TEXT NOT NULL,
  since INTEGER NOT NULL,
  until INTEGER
);
CREATE INDEX webhooks_installation ON webhooks (installation_id);

-- Derived: the event types each webhook is told of under the grant in force. Fan-out reads only this.
CREATE TABLE subscriptions (
  context TEXT NOT NULL,
  event_type TEXT NOT NULL,
  installation_id TEXT NOT NULL,
  webhook_id TEXT NOT NULL,
  since INTEGER NOT NULL,
  PRIMARY KEY (context, event_type, installation_id, webhook_id)
) WITHOUT ROWID;
CREATE INDEX subscriptions_installation ON subscriptions (installation_id);

-- Derived: the resources a limited grant in force covers; no rows and all_resources = 1 means all.
CREATE TABLE granted_resources (
  installation_id TEXT NOT NULL,
  resource TEXT NOT NULL,
  since INTEGER NOT NULL,
  PRIMARY KEY (installation_id, resource)
) WITHOUT ROWID;

CREATE TABLE events (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  type TEXT NOT NULL,
  context TEXT NOT NULL,
  resource TEXT,
  actor TEXT,
  payload BLOB NOT NULL,
  created_at INTEGER NOT NULL
);

CREATE TABLE event_keys (
  context TEXT NOT NULL,
  idempotency_key TEXT NOT NULL,
  event_id TEXT NOT NULL,
  body_hash BLOB NOT NULL,
  expires_at INTEGER NOT NULL,
  PRIMARY KEY (context, idempotency_key)
) WITHOUT ROWID;
CREATE INDEX event_keys_expiry ON event_keys (expires_at);

-- What still has to be fanned out, found by its presence. The bucket is the unit that replicas share out.
CREATE TABLE outbox (
  event_seq INTEGER PRIMARY KEY,
  bucket INTEGER NOT NULL,
  -- How far a wide event has come: the last installation that was served.
  after_installation TEXT NOT NULL DEFAULT ''
);

-- Only what is still owed; a row ends in the transaction that writes its last attempt.
CREATE TABLE deliveries (
  id TEXT PRIMARY KEY,
  bucket INTEGER NOT NULL,
  installation_id TEXT NOT NULL,
  webhook_id TEXT NOT NULL,
  event_seq INTEGER NOT NULL,
  event_id TEXT NOT NULL,
  event_type TEXT NOT NULL,
  event_at INTEGER NOT NULL,
  attempts INTEGER NOT NULL DEFAULT 0,
  due_at INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX deliveries_due ON deliveries (installation_id, due_at, event_seq);
CREATE INDEX deliveries_event ON deliveries (event_id);

-- The log. A row that ended its delivery carries everything the list of deliveries shows.
CREATE TABLE attempts (
  seq INTEGER PRIMARY KEY,
  delivery_id TEXT NOT NULL,
  number INTEGER NOT NULL,
  at INTEGER NOT NULL,
  duration_ms INTEGER NOT NULL,
  outcome TEXT NOT NULL CHECK (outcome IN ('delivered', 'failed', 'dropped', 'retry')),
  status INTEGER,
  reason TEXT,
  message TEXT,
  response_excerpt TEXT,
  url TEXT NOT NULL,
  withheld TEXT NOT NULL,
  next_due_at INTEGER,
  installation_id TEXT NOT NULL,
  webhook_id TEXT NOT NULL,
  event_id TEXT NOT NULL,
  event_type TEXT NOT NULL,
  delivery_created_at INTEGER NOT NULL
);
CREATE INDEX attempts_delivery ON attempts (delivery_id, number);
CREATE INDEX attempts_ended ON attempts (delivery_created_at, delivery_id) WHERE outcome <> 'retry';
CREATE INDEX attempts_installation ON attempts (installation_id, delivery_created_at) WHERE outcome <> 'retry';
CREATE INDEX attempts_event ON attempts (event_id) WHERE outcome <> 'retry';
