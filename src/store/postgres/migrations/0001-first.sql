-- The tables of the SQLite store, in PostgreSQL's terms. Times are milliseconds since 1970. All of it is in a schema of
-- its own: the product may keep its tables in the same database, and publishes in its own transactions.

-- Ids are compared and ordered byte by byte, as JavaScript and SQLite do it, whatever the database's own order is.
CREATE DOMAIN mortise.id AS text COLLATE "C";

CREATE TABLE mortise.settings (name text PRIMARY KEY, value text NOT NULL);

CREATE TABLE mortise.install_keys (
  kid mortise.id PRIMARY KEY,
  public_pem text NOT NULL,
  private_sealed text NOT NULL,
  created_at bigint NOT NULL
);

CREATE TABLE mortise.installations (
  id mortise.id PRIMARY KEY,
  addon_key text NOT NULL,
  context text NOT NULL,
  client_key text NOT NULL UNIQUE,
  oauth_client_id mortise.id NOT NULL UNIQUE,
  state text NOT NULL CHECK (state IN ('pending', 'enabled', 'disabled', 'uninstalled')),
  epoch bigint NOT NULL DEFAULT 1,
  descriptor_url text,
  base_url text,
  descriptor text,
  descriptor_digest text,
  descriptor_version bigint NOT NULL DEFAULT 0,
  -- What queries ask of the descriptor in force. They cannot ask its text: PostgreSQL reads no JSON that has the escape
  -- of U+0000 or of half a character in it.
  addon_name text,
  is_told_of_revocations boolean NOT NULL DEFAULT false,
  acknowledged_secrets text,
  candidate_secrets text,
  previous_secrets text,
  previous_secrets_until bigint,
  all_resources boolean NOT NULL DEFAULT true,
  all_resources_since bigint NOT NULL DEFAULT 0,
  all_resources_since_seq bigint NOT NULL DEFAULT 0,
  call_holder text,
  call_held_until bigint,
  created_at bigint NOT NULL,
  updated_at bigint NOT NULL,
  installed_at bigint,
  uninstalled_at bigint,
  UNIQUE (addon_key, context)
);
CREATE INDEX installations_context ON mortise.installations (context, id);
CREATE INDEX installations_overlap ON mortise.installations (previous_secrets_until)
  WHERE previous_secrets_until IS NOT NULL;

-- Since when each is enabled or disabled: in force from since to until; while there is none, it is not installed.
CREATE TABLE mortise.installation_states (
  seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  installation_id mortise.id NOT NULL REFERENCES mortise.installations (id),
  state text NOT NULL CHECK (state IN ('enabled', 'disabled')),
  since bigint NOT NULL,
  until bigint
);
CREATE INDEX installation_states_installation ON mortise.installation_states (installation_id, since);

-- Installations that were declared well by hand, until whoever sends to them has noticed.
CREATE TABLE mortise.recoveries (installation_id mortise.id PRIMARY KEY, bucket smallint NOT NULL);

-- What gates have to see (gate-changes.ts): written with every change of an epoch, let go of when all have seen it.
CREATE TABLE mortise.gate_changes (
  xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
  installation_id mortise.id NOT NULL,
  epoch bigint NOT NULL
);
CREATE INDEX gate_changes_xid ON mortise.gate_changes (xid);
CREATE FUNCTION mortise.note_gate_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO mortise.gate_changes (installation_id, epoch) VALUES (NEW.id, NEW.epoch);
  RETURN NULL;
END $$;
CREATE TRIGGER installations_epoch AFTER UPDATE OF epoch ON mortise.installations
  FOR EACH ROW WHEN (NEW.epoch <> OLD.epoch) EXECUTE FUNCTION mortise.note_gate_change();

-- One row for each process or thread that sends, while it does.
CREATE TABLE mortise.gates (
  id mortise.id PRIMARY KEY,
  -- All that this snapshot sees, the gate knows.
  seen pg_snapshot NOT NULL,
  -- In which that was so: after a crash, numbers of transactions that were forgotten are given again.
  lifetime mortise.id,
  -- Grows while it lives.
  beats bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);

-- Processes that send, each until when by the database's clock. One that ran out is deleted, and does not come back.
CREATE TABLE mortise.replicas (
  id mortise.id PRIMARY KEY,
  expires_at timestamptz NOT NULL,
  -- It takes no more, and hands over what it has.
  is_leaving boolean NOT NULL DEFAULT false
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);

-- Who sends for which bucket: nobody, where the owner is no replica.
CREATE TABLE mortise.buckets (
  id smallint PRIMARY KEY,
  owner mortise.id,
  -- Grows with each owner.
  fence bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
INSERT INTO mortise.buckets (id) SELECT generate_series(0, 255);

-- What was made due, or ended, in a bucket by somebody who does not own it, until its owner has noticed. What a crash
-- takes of it is not missed: all that is owed is read anew then.
CREATE UNLOGGED TABLE mortise.handed (
  bucket smallint NOT NULL,
  installation_id mortise.id NOT NULL,
  -- So many more are owed than the owner knows of.
  count integer NOT NULL,
  -- Which; NULL: it has to look.
  delivery_ids text[]
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX handed_bucket ON mortise.handed (bucket);

-- Who does for all what one process does, and until when by the database's clock.
CREATE TABLE mortise.engine_lease (
  is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
  -- NULL: nobody.
  holder mortise.id,
  -- Grows with each holder.
  fence bigint NOT NULL,
  expires_at timestamptz NOT NULL
);

-- What PostgreSQL has not forgotten since it has this row: it empties the table when it crashes, or when a standby takes
-- its place (lifetime.ts).
CREATE UNLOGGED TABLE mortise.lifetime (
  is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
  id mortise.id NOT NULL,
  since timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE mortise.oauth_clients (
  id mortise.id PRIMARY KEY,
  kind text NOT NULL,
  installation_id mortise.id REFERENCES mortise.installations (id),
  name text NOT NULL DEFAULT '',
  redirect_uris text NOT NULL DEFAULT '[]',
  -- Where it is told that a grant to it was taken back or narrowed (RFC 8935).
  events_uri text,
  -- NULL: registered before scopes existed, all access. Never confused with '[]'.
  scopes text DEFAULT '[]',
  is_public boolean NOT NULL DEFAULT false,
  -- The context a consumer belongs to; '' on platforms without contexts.
  owner_context text,
  owner_user text,
  secret_hash bytea,
  previous_secret_hash bytea,
  previous_secret_until bigint,
  oauth1_secret text,
  previous_oauth1_secret text,
  enabled boolean NOT NULL,
  created_at bigint NOT NULL,
  updated_at bigint,
  deleted_at bigint
);
CREATE INDEX oauth_clients_installation ON mortise.oauth_clients (installation_id);
CREATE INDEX oauth_clients_owner ON mortise.oauth_clients (owner_user) WHERE owner_user IS NOT NULL;
CREATE INDEX oauth_clients_overlap ON mortise.oauth_clients (previous_secret_until)
  WHERE previous_secret_until IS NOT NULL;

-- Who gave which consumer which scopes on which resources: a log, each row in force from since to until.
CREATE TABLE mortise.oauth_grants (
  id mortise.id PRIMARY KEY,
  client_id mortise.id NOT NULL REFERENCES mortise.oauth_clients (id),
  installation_id mortise.id REFERENCES mortise.installations (id),
  user_id text,
  kind text NOT NULL,
  -- The context a grant is about, where it is about one; NULL for a user's grant.
  context text,
  scopes text NOT NULL,
  resources text,
  handshake_id mortise.id,
  since bigint NOT NULL,
  until bigint,
  ended_because text,
  last_used_at bigint,
  last_used_from text
);
-- One writer would see to it; with many, these do: of each kind one is in force.
CREATE UNIQUE INDEX oauth_grants_installation_in_force ON mortise.oauth_grants (installation_id)
  WHERE kind = 'installation' AND until IS NULL AND handshake_id IS NULL;
CREATE UNIQUE INDEX oauth_grants_consumer_in_force ON mortise.oauth_grants (client_id)
  WHERE kind = 'consumer' AND until IS NULL;
CREATE UNIQUE INDEX oauth_grants_user_in_force ON mortise.oauth_grants (user_id, client_id)
  WHERE kind = 'user' AND until IS NULL;
CREATE UNIQUE INDEX oauth_grants_acting_in_force ON mortise.oauth_grants (client_id, user_id)
  WHERE kind = 'act_as_user' AND until IS NULL;
CREATE INDEX oauth_grants_installation ON mortise.oauth_grants (installation_id, until);
CREATE INDEX oauth_grants_client ON mortise.oauth_grants (client_id, until);
CREATE INDEX oauth_grants_user ON mortise.oauth_grants (user_id, until) WHERE user_id IS NOT NULL;
-- Beside an installation's own grants there may be one for every user it acts as.
CREATE INDEX oauth_grants_own ON mortise.oauth_grants (installation_id, since)
  WHERE kind = 'installation' AND handshake_id IS NULL;

CREATE TABLE mortise.oauth_access_tokens (
  token_hash bytea PRIMARY KEY,
  grant_id mortise.id NOT NULL,
  client_id mortise.id NOT NULL,
  family_id mortise.id,
  scopes text NOT NULL,
  resources text,
  created_at bigint NOT NULL,
  expires_at bigint NOT NULL,
  revoked_at bigint
);
CREATE INDEX oauth_access_tokens_grant ON mortise.oauth_access_tokens (grant_id);
CREATE INDEX oauth_access_tokens_family ON mortise.oauth_access_tokens (family_id) WHERE family_id IS NOT NULL;
CREATE INDEX oauth_access_tokens_expiry ON mortise.oauth_access_tokens (expires_at);

-- A request to authorize, shown to one user in one session, answered once.
CREATE TABLE mortise.oauth_consents (
  id_hash bytea PRIMARY KEY,
  client_id mortise.id NOT NULL,
  user_id text NOT NULL,
  session_hash bytea NOT NULL,
  request text NOT NULL,
  created_at bigint NOT NULL,
  expires_at bigint NOT NULL,
  used_at bigint
);
CREATE INDEX oauth_consents_expiry ON mortise.oauth_consents (expires_at);

CREATE TABLE mortise.oauth_codes (
  code_hash bytea PRIMARY KEY,
  grant_id mortise.id NOT NULL,
  client_id mortise.id NOT NULL,
  -- Exactly as sent; NULL where it was left out.
  redirect_uri text,
  code_challenge text,
  scopes text NOT NULL,
  created_at bigint NOT NULL,
  expires_at bigint NOT NULL,
  used_at bigint,
  family_id mortise.id
);
CREATE INDEX oauth_codes_grant ON mortise.oauth_codes (grant_id);
CREATE INDEX oauth_codes_expiry ON mortise.oauth_codes (expires_at);

CREATE TABLE mortise.oauth_refresh_families (
  id mortise.id PRIMARY KEY,
  grant_id mortise.id NOT NULL,
  client_id mortise.id NOT NULL,
  generation bigint NOT NULL,
  created_at bigint NOT NULL,
  -- When what came from one consent ends, however often it is refreshed; NULL: while it is used.
  expires_at bigint,
  revoked_at bigint,
  revoked_because text
);
CREATE INDEX oauth_refresh_families_grant ON mortise.oauth_refresh_families (grant_id);

CREATE TABLE mortise.oauth_refresh_tokens (
  token_hash bytea PRIMARY KEY,
  family_id mortise.id NOT NULL,
  generation bigint NOT NULL,
  scopes text NOT NULL,
  created_at bigint NOT NULL,
  expires_at bigint NOT NULL,
  used_at bigint
);
CREATE INDEX oauth_refresh_tokens_family ON mortise.oauth_refresh_tokens (family_id);
CREATE INDEX oauth_refresh_tokens_expiry ON mortise.oauth_refresh_tokens (expires_at);

-- Assertions seen (RFC 7523 section 3): each is taken once.
CREATE TABLE mortise.oauth_assertions (
  issuer text NOT NULL,
  jti_hash bytea NOT NULL,
  expires_at bigint NOT NULL,
  PRIMARY KEY (issuer, jti_hash)
);
CREATE INDEX oauth_assertions_expiry ON mortise.oauth_assertions (expires_at);

-- OAuth 1.0a (RFC 5849). Secrets are sealed, since they verify signatures.
CREATE TABLE mortise.oauth1_request_tokens (
  token_hash bytea PRIMARY KEY,
  client_id mortise.id NOT NULL,
  secret text NOT NULL,
  callback text NOT NULL,
  verifier_hash bytea,
  grant_id mortise.id,
  wrong_verifiers bigint NOT NULL DEFAULT 0,
  created_at bigint NOT NULL,
  expires_at bigint NOT NULL,
  used_at bigint
);
CREATE INDEX oauth1_request_tokens_expiry ON mortise.oauth1_request_tokens (expires_at);
CREATE INDEX oauth1_request_tokens_client ON mortise.oauth1_request_tokens (client_id);
CREATE INDEX oauth1_request_tokens_grant ON mortise.oauth1_request_tokens (grant_id) WHERE grant_id IS NOT NULL;

CREATE TABLE mortise.oauth1_access_tokens (
  token_hash bytea PRIMARY KEY,
  client_id mortise.id NOT NULL,
  grant_id mortise.id NOT NULL,
  secret text NOT NULL,
  created_at bigint NOT NULL,
  revoked_at bigint
);
CREATE INDEX oauth1_access_tokens_client ON mortise.oauth1_access_tokens (client_id);
CREATE INDEX oauth1_access_tokens_grant ON mortise.oauth1_access_tokens (grant_id);

CREATE TABLE mortise.oauth1_nonces (
  client_id mortise.id NOT NULL,
  token text NOT NULL,
  timestamp bigint NOT NULL,
  nonce text NOT NULL,
  PRIMARY KEY (client_id, token, timestamp, nonce)
);
CREATE INDEX oauth1_nonces_timestamp ON mortise.oauth1_nonces (timestamp);

-- Which scopes a consumer really uses: what it should ask for when it must name them.
CREATE TABLE mortise.used_scopes (
  client_id mortise.id NOT NULL,
  scope mortise.id NOT NULL,
  last_used_at bigint NOT NULL,
  PRIMARY KEY (client_id, scope)
);

-- Sessions of Mortise's own pages, where the product has none to offer.
CREATE TABLE mortise.sessions (
  id_hash bytea PRIMARY KEY,
  user_id text NOT NULL,
  user_name text,
  is_operator boolean NOT NULL DEFAULT false,
  -- Who said so; NULL: the development page. A session counts only where its issuer is the one configured.
  issuer text,
  created_at bigint NOT NULL,
  expires_at bigint NOT NULL
);
CREATE INDEX sessions_user ON mortise.sessions (user_id);
CREATE INDEX sessions_expiry ON mortise.sessions (expires_at);

-- At most one a browser, taken once.
CREATE TABLE mortise.sign_ins (
  session_hash bytea PRIMARY KEY,
  state_hash bytea NOT NULL,
  -- PKCE verifier and nonce.
  sealed text NOT NULL,
  return_to text NOT NULL,
  expires_at bigint NOT NULL
);
CREATE INDEX sign_ins_expiry ON mortise.sign_ins (expires_at);

CREATE TABLE mortise.deactivated_users (user_id text PRIMARY KEY, at bigint NOT NULL);

-- Each is about one grant that ended, whose id it has: its row is written in the same transaction.
CREATE TABLE mortise.security_events (
  seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  id mortise.id NOT NULL UNIQUE,
  client_id mortise.id NOT NULL REFERENCES mortise.oauth_clients (id),
  user_id text NOT NULL,
  -- What is left of the grant; '[]': nothing.
  scopes text NOT NULL,
  state text NOT NULL CHECK (state IN ('owed', 'accepted', 'failed', 'dropped', 'superseded')),
  attempts bigint NOT NULL DEFAULT 0,
  due_at bigint NOT NULL,
  created_at bigint NOT NULL
);
CREATE INDEX security_events_owed ON mortise.security_events (client_id, due_at) WHERE state = 'owed';
CREATE INDEX security_events_client ON mortise.security_events (client_id, seq);
CREATE INDEX security_events_newest ON mortise.security_events (seq) WHERE state = 'owed';

CREATE TABLE mortise.security_event_attempts (
  seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  event_id mortise.id NOT NULL,
  number bigint NOT NULL,
  at bigint NOT NULL,
  url text NOT NULL,
  status bigint,
  error_code text,
  message text,
  excerpt text,
  duration_ms bigint NOT NULL
);
CREATE INDEX security_event_attempts_event ON mortise.security_event_attempts (event_id, seq);

CREATE TABLE mortise.handshakes (
  id mortise.id PRIMARY KEY,
  installation_id mortise.id NOT NULL REFERENCES mortise.installations (id),
  grant_id mortise.id NOT NULL,
  oauth_secret_hash bytea NOT NULL,
  descriptor_url text,
  base_url text NOT NULL,
  descriptor text NOT NULL,
  descriptor_digest text NOT NULL,
  state text NOT NULL CHECK (state IN ('running', 'accepted', 'refused')),
  started_at bigint NOT NULL,
  deadline bigint NOT NULL,
  ended_at bigint
);
CREATE UNIQUE INDEX handshakes_running ON mortise.handshakes (installation_id) WHERE state = 'running';
-- They hold whole descriptors, and are let go some time after they have ended.
CREATE INDEX handshakes_ended ON mortise.handshakes (ended_at) WHERE ended_at IS NOT NULL;

CREATE TABLE mortise.lifecycle_calls (
  seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  id mortise.id NOT NULL UNIQUE,
  installation_id mortise.id NOT NULL REFERENCES mortise.installations (id),
  kind text NOT NULL,
  state text NOT NULL CHECK (state IN ('owed', 'done', 'failed', 'superseded')),
  attempts bigint NOT NULL DEFAULT 0,
  due_at bigint NOT NULL,
  created_at bigint NOT NULL
);
CREATE INDEX lifecycle_calls_owed ON mortise.lifecycle_calls (installation_id, seq) WHERE state = 'owed';
CREATE INDEX lifecycle_calls_newest ON mortise.lifecycle_calls (seq) WHERE state = 'owed';

CREATE TABLE mortise.lifecycle_exchanges (
  seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  id mortise.id NOT NULL,
  installation_id mortise.id NOT NULL,
  kind text NOT NULL,
  attempt bigint NOT NULL,
  method text NOT NULL,
  url text NOT NULL,
  status bigint,
  error_code text,
  message text,
  excerpt text,
  at bigint NOT NULL,
  duration_ms bigint NOT NULL
);
CREATE INDEX lifecycle_exchanges_installation ON mortise.lifecycle_exchanges (installation_id, seq);

CREATE TABLE mortise.webhooks (
  -- In the order in which they were declared.
  seq bigint GENERATED ALWAYS AS IDENTITY,
  id mortise.id PRIMARY KEY,
  installation_id mortise.id NOT NULL REFERENCES mortise.installations (id),
  event text NOT NULL,
  url text NOT NULL,
  since bigint NOT NULL,
  until bigint,
  since_seq bigint NOT NULL DEFAULT 0,
  -- 410: the add-on wants no more of this webhook.
  off_since bigint
);
CREATE INDEX webhooks_installation ON mortise.webhooks (installation_id);

-- Earlier times of a webhook that was declared again, or switched on again.
CREATE TABLE mortise.webhook_periods (
  webhook_id mortise.id NOT NULL REFERENCES mortise.webhooks (id),
  since bigint NOT NULL,
  until bigint NOT NULL,
  off_since bigint
);
CREATE INDEX webhook_periods_webhook ON mortise.webhook_periods (webhook_id, since);

-- Derived: the event types each webhook is told of under the grant in force. Fan-out reads only this.
CREATE TABLE mortise.subscriptions (
  context text NOT NULL,
  event_type text NOT NULL,
  installation_id mortise.id NOT NULL,
  webhook_id mortise.id NOT NULL,
  since bigint NOT NULL,
  since_seq bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (context, event_type, installation_id, webhook_id)
);
CREATE INDEX subscriptions_installation ON mortise.subscriptions (installation_id);

-- Derived: the resources a limited grant in force covers; no rows and all_resources means all.
CREATE TABLE mortise.granted_resources (
  installation_id mortise.id NOT NULL,
  resource text NOT NULL,
  since bigint NOT NULL,
  since_seq bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (installation_id, resource)
);

-- Numbers events, over all days. What such a number says about grants, fan-out-lock.ts explains. No cache: a connection
-- that took numbers in advance would give an early one late.
CREATE SEQUENCE mortise.event_numbers AS bigint NO CYCLE CACHE 1;

-- Published events, dropped by whole days.
CREATE TABLE mortise.events (
  seq bigint NOT NULL,
  id mortise.id NOT NULL,
  type text NOT NULL,
  context text NOT NULL,
  resource text,
  actor text,
  ordering_key text,
  trace_id text,
  payload bytea NOT NULL,
  created_at bigint NOT NULL,
  PRIMARY KEY (seq, created_at)
) PARTITION BY RANGE (created_at);
CREATE INDEX events_id ON mortise.events (id);

CREATE TABLE mortise.event_keys (
  context text NOT NULL,
  idempotency_key text NOT NULL,
  event_id mortise.id NOT NULL,
  body_hash bytea NOT NULL,
  expires_at bigint NOT NULL,
  PRIMARY KEY (context, idempotency_key)
);
CREATE INDEX event_keys_expiry ON mortise.event_keys (expires_at);

-- What still has to be fanned out, found by its presence. It says all that fan-out asks, so that no payload is read.
-- Hot tables are narrow and short-lived: no foreign keys; room in each page for the next version of a row; and vacuum
-- by number of dead rows, not by share, so that it never waits until the table has grown.
CREATE TABLE mortise.outbox (
  bucket smallint NOT NULL,
  seq bigint NOT NULL DEFAULT nextval('mortise.event_numbers'),
  event_id mortise.id NOT NULL,
  event_type text NOT NULL,
  event_at bigint NOT NULL,
  context text NOT NULL,
  resource text,
  ordering_key text,
  -- How far a wide event has come: the last installation that was served.
  after_installation mortise.id NOT NULL DEFAULT '',
  PRIMARY KEY (seq)
) WITH (
  fillfactor = 70,
  autovacuum_vacuum_scale_factor = 0,
  autovacuum_vacuum_threshold = 2000,
  autovacuum_vacuum_insert_scale_factor = 0,
  autovacuum_vacuum_insert_threshold = 100000,
  autovacuum_vacuum_cost_delay = 0
);
-- What one of several replicas fans out.
CREATE INDEX outbox_bucket ON mortise.outbox (bucket, seq);

-- Only what is still owed; a row ends in the transaction that writes its last attempt.
CREATE TABLE mortise.deliveries (
  bucket smallint NOT NULL,
  id mortise.id NOT NULL,
  installation_id mortise.id NOT NULL,
  webhook_id mortise.id NOT NULL,
  event_seq bigint NOT NULL,
  event_id mortise.id NOT NULL,
  event_type text NOT NULL,
  event_at bigint NOT NULL,
  ordering_key text,
  replay_id mortise.id,
  -- 'now': what was granted when the event was published does not count, only what is granted at the time of sending.
  allowed text,
  attempts integer NOT NULL DEFAULT 0,
  due_at bigint NOT NULL,
  expires_at bigint NOT NULL,
  -- Ids begin with the time of their event: the pages that are written are the newest.
  PRIMARY KEY (id)
) WITH (
  fillfactor = 80,
  autovacuum_vacuum_scale_factor = 0,
  autovacuum_vacuum_threshold = 5000,
  autovacuum_vacuum_insert_scale_factor = 0,
  autovacuum_vacuum_insert_threshold = 100000,
  autovacuum_vacuum_cost_delay = 0
);
CREATE INDEX deliveries_due ON mortise.deliveries (bucket, installation_id, due_at, event_seq);
-- Whether an earlier event of the same order is still owed.
CREATE INDEX deliveries_ordered ON mortise.deliveries (webhook_id, ordering_key, event_seq)
  WHERE ordering_key IS NOT NULL;

-- How an installation's endpoint fares: a row only while something is wrong with it.
CREATE TABLE mortise.lane_states (
  bucket smallint NOT NULL,
  installation_id mortise.id NOT NULL,
  failures bigint NOT NULL,
  failing_since bigint,
  probes bigint NOT NULL,
  open_until bigint,
  silent_until bigint,
  paused_at bigint,
  PRIMARY KEY (bucket, installation_id)
) WITH (
  fillfactor = 70,
  autovacuum_vacuum_scale_factor = 0,
  autovacuum_vacuum_threshold = 1000,
  autovacuum_vacuum_cost_delay = 0
);

-- The log, dropped by whole days. A row that ended its delivery carries everything the list of deliveries shows.
CREATE SEQUENCE mortise.attempt_numbers AS bigint NO CYCLE CACHE 1;
CREATE TABLE mortise.attempts (
  seq bigint NOT NULL DEFAULT nextval('mortise.attempt_numbers'),
  delivery_id mortise.id NOT NULL,
  number integer NOT NULL,
  at bigint NOT NULL,
  duration_ms bigint NOT NULL,
  outcome text NOT NULL,
  status integer,
  reason text,
  message text,
  response_excerpt text,
  url text NOT NULL,
  withheld text,
  next_due_at bigint,
  installation_id mortise.id NOT NULL,
  webhook_id mortise.id NOT NULL,
  event_id mortise.id NOT NULL,
  event_type text NOT NULL,
  event_at bigint NOT NULL,
  replay_id mortise.id
) PARTITION BY RANGE (at);
CREATE INDEX attempts_delivery ON mortise.attempts (delivery_id);
CREATE INDEX attempts_ended ON mortise.attempts (installation_id, delivery_id) WHERE outcome <> 'retry';

-- What is sent again: which deliveries a replay takes, and how far it has come.
CREATE TABLE mortise.replays (
  id mortise.id PRIMARY KEY,
  state text NOT NULL,
  delivery_id mortise.id,
  installation_id mortise.id,
  event_type text,
  event_id mortise.id,
  since bigint,
  until bigint NOT NULL,
  -- How what is taken has ended, as JSON list.
  outcomes text NOT NULL,
  allowed text NOT NULL,
  new_ids boolean NOT NULL,
  per_second bigint NOT NULL,
  -- Where the next chunk begins.
  cursor text,
  total bigint NOT NULL,
  done bigint NOT NULL DEFAULT 0,
  already_delivered bigint NOT NULL DEFAULT 0,
  skipped_owed bigint NOT NULL DEFAULT 0,
  skipped_expired bigint NOT NULL DEFAULT 0,
  -- What came of those that are done.
  delivered bigint NOT NULL DEFAULT 0,
  failed bigint NOT NULL DEFAULT 0,
  dropped bigint NOT NULL DEFAULT 0,
  created_at bigint NOT NULL,
  ended_at bigint
);
CREATE INDEX replays_running ON mortise.replays (id) WHERE state = 'running';
CREATE INDEX replays_copying ON mortise.replays (id) WHERE new_ids;
