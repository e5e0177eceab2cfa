-- Signing in through the product's OpenID provider: what a session was told about its user, and what has begun.

ALTER TABLE sessions ADD COLUMN user_name TEXT;
ALTER TABLE sessions ADD COLUMN is_operator INTEGER NOT NULL DEFAULT 0;
-- Who said so; NULL: the development page. A session counts only where its issuer is the one configured.
ALTER TABLE sessions ADD COLUMN issuer TEXT;

-- At most one a browser, taken once.
CREATE TABLE sign_ins (
  session_hash BLOB PRIMARY KEY,
  state_hash BLOB NOT NULL,
  -- PKCE verifier and nonce.
  sealed TEXT NOT NULL,
  return_to TEXT NOT NULL,
  expires_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX sign_ins_expiry ON sign_ins (expires_at);
