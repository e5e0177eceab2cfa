-- Which scopes a consumer really uses: what it should ask for when it must name them.
CREATE TABLE used_scopes (
  client_id TEXT NOT NULL,
  scope TEXT NOT NULL,
  last_used_at INTEGER NOT NULL,
  PRIMARY KEY (client_id, scope)
) WITHOUT ROWID;

-- OAuth 1.0a: the secret before the last rotation, good until previous_secret_until like the hash beside it.
ALTER TABLE oauth_clients ADD COLUMN previous_oauth1_secret TEXT;

CREATE INDEX oauth1_request_tokens_expiry ON oauth1_request_tokens (expires_at);
CREATE INDEX oauth1_request_tokens_client ON oauth1_request_tokens (client_id);
CREATE INDEX oauth1_access_tokens_client ON oauth1_access_tokens (client_id);
CREATE INDEX oauth1_access_tokens_grant ON oauth1_access_tokens (grant_id);
