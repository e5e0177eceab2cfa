-- A rotation: what was in force before it stays good beside the new for a while, and is then forgotten.
ALTER TABLE installations ADD COLUMN previous_secrets TEXT;
ALTER TABLE installations ADD COLUMN previous_secrets_until INTEGER;
CREATE INDEX installations_overlap ON installations (previous_secrets_until) WHERE previous_secrets_until IS NOT NULL;
CREATE INDEX oauth_clients_overlap ON oauth_clients (previous_secret_until) WHERE previous_secret_until IS NOT NULL;
