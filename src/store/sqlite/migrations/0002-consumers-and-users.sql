-- Consumers registered by hand, users' grants, and what the grant types need. Names follow RFC 6749.

ALTER TABLE oauth_clients ADD COLUMN name TEXT NOT NULL DEFAULT '';
ALTER TABLE oauth_clients ADD COLUMN redirect_uris TEXT NOT NULL DEFAULT '[]';
-- NULL: registered before scopes existed, all access. Never confused with '[]'.
ALTER TABLE oauth_clients ADD COLUMN scopes TEXT DEFAULT '[]';
ALTER TABLE oauth_clients ADD COLUMN is_public INTEGER NOT NULL DEFAULT 0;
-- The context a consumer belongs to; '' on platforms without contexts.
ALTER TABLE oauth_clients ADD COLUMN owner_context TEXT;
ALTER TABLE oauth_clients ADD COLUMN owner_user TEXT;
ALTER TABLE oauth_clients ADD COLUMN previous_secret_hash BLOB;
ALTER TABLE oauth_clients ADD COLUMN previous_secret_until INTEGER;
ALTER TABLE oauth_clients ADD COLUMN oauth1_secret TEXT;
ALTER TABLE oauth_clients ADD COLUMN updated_at INTEGER;
ALTER TABLE oauth_clients ADD COLUMN deleted_at INTEGER;
CREATE INDEX oauth_clients_owner ON oauth_clients (owner_user) WHERE owner_user IS NOT NULL;

-- The context a grant is about, where it is about one; NULL for a user's grant.
ALTER TABLE oauth_grants ADD COLUMN context TEXT;
ALTER TABLE oauth_grants ADD COLUMN last_used_at INTEGER;
ALTER TABLE oauth_grants ADD COLUMN last_used_from TEXT;
CREATE INDEX oauth_grants_user ON oauth_grants (user_id, until) WHERE user_id IS NOT NULL;
UPDATE oauth_grants SET context = (SELECT i.context FROM installations i WHERE i.id = oauth_grants.installation_id);

ALTER TABLE oauth_access_tokens ADD COLUMN family_id TEXT;
CREATE INDEX oauth_access_tokens_family ON oauth_access_tokens (family_id) WHERE family_id IS NOT NULL;

-- A request to authorize, shown to one user in one session, answered once.
CREATE TABLE oauth_consents (
  id_hash BLOB PRIMARY KEY,
  client_id TEXT NOT NULL,
  user_id TEXT NOT NULL,
  session_hash BLOB NOT NULL,
  request TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  used_at INTEGER
) WITHOUT ROWID;
CREATE INDEX oauth_consents_expiry ON oauth_consents (expires_at);

CREATE TABLE oauth_codes (
  code_hash BLOB PRIMARY KEY,
  grant_id TEXT NOT NULL,
  client_id TEXT NOT NULL,
  -- Exactly as sent; NULL where it was left out.
  redirect_uri TEXT,
  code_challenge TEXT,
  scopes TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  used_at INTEGER,
  family_id TEXT
) WITHOUT ROWID;
CREATE INDEX oauth_codes_expiry ON oauth_codes (expires_at);

CREATE TABLE oauth_refresh_families (
  id TEXT PRIMARY KEY,
  grant_id TEXT NOT NULL,
  client_id TEXT NOT NULL,
  generation INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  revoked_at INTEGER,
  revoked_because TEXT
) WITHOUT ROWID;
CREATE INDEX oauth_refresh_families_grant ON oauth_refresh_families (grant_id);

CREATE TABLE oauth_refresh_tokens (
  token_hash BLOB PRIMARY KEY,
  family_id TEXT NOT NULL,
  generation INTEGER NOT NULL,
  scopes TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  used_at INTEGER
) WITHOUT ROWID;
CREATE INDEX oauth_refresh_tokens_family ON oauth_refresh_tokens (family_id);
CREATE INDEX oauth_refresh_tokens_expiry ON oauth_refresh_tokens (expires_at);

-- Assertions seen (RFC 7523 section 3): each is taken once.
CREATE TABLE oauth_assertions (
  issuer TEXT NOT NULL,
  jti_hash BLOB NOT NULL,
  expires_at INTEGER NOT NULL,
  PRIMARY KEY (issuer, jti_hash)
) WITHOUT ROWID;
CREATE INDEX oauth_assertions_expiry ON oauth_assertions (expires_at);

-- Sessions of Mortise's own pages, where the product has none to offer.
CREATE TABLE sessions (
  id_hash BLOB PRIMARY KEY,
  user_id TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX sessions_expiry ON sessions (expires_at);

CREATE TABLE deactivated_users (user_id TEXT PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID;

-- OAuth 1.0a (RFC 5849). Secrets are sealed, since they verify signatures.
CREATE TABLE oauth1_request_tokens (
  token_hash BLOB PRIMARY KEY,
  client_id TEXT NOT NULL,
  secret TEXT NOT NULL,
  callback TEXT NOT NULL,
  verifier_hash BLOB,
  grant_id TEXT,
  wrong_verifiers INTEGER NOT NULL DEFAULT 0,
  created_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  used_at INTEGER
) WITHOUT ROWID;
CREATE TABLE oauth1_access_tokens (
  token_hash BLOB PRIMARY KEY,
  client_id TEXT NOT NULL,
  grant_id TEXT NOT NULL,
  secret TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  revoked_at INTEGER
) WITHOUT ROWID;
CREATE TABLE oauth1_nonces (
  client_id TEXT NOT NULL,
  token TEXT NOT NULL,
  timestamp INTEGER NOT NULL,
  nonce TEXT NOT NULL,
  PRIMARY KEY (client_id, token, timestamp, nonce)
) WITHOUT ROWID;
CREATE INDEX oauth1_nonces_timestamp ON oauth1_nonces (timestamp);
