-- Who is told of an event goes by the number it was published under, not by clocks: one that is set back, or another
-- machine's, must not make an event older than the installation that was there before it.
ALTER TABLE subscriptions ADD COLUMN since_seq INTEGER NOT NULL DEFAULT 0;
ALTER TABLE granted_resources ADD COLUMN since_seq INTEGER NOT NULL DEFAULT 0;
ALTER TABLE installations ADD COLUMN all_resources_since_seq INTEGER NOT NULL DEFAULT 0;
ALTER TABLE webhooks ADD COLUMN since_seq INTEGER NOT NULL DEFAULT 0;
