-- When what came from one consent ends, however often it is refreshed; NULL: while it is used.
ALTER TABLE oauth_refresh_families ADD COLUMN expires_at INTEGER;
