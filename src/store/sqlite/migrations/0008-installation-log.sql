-- What was true of an installation when: enough to say later why it was not told of an event.

-- Each row in force from since to until; while there is none, it is not installed.
CREATE TABLE installation_states (
  seq INTEGER PRIMARY KEY,
  installation_id TEXT NOT NULL REFERENCES installations (id),
  state TEXT NOT NULL CHECK (state IN ('enabled', 'disabled')),
  since INTEGER NOT NULL,
  until INTEGER
);
CREATE INDEX installation_states_installation ON installation_states (installation_id, since);

-- Installed is what had a grant: grants that follow each other without a gap are one row. Whether it was disabled
-- meanwhile, nobody has noted; since when it is disabled now, its last change tells as well as anything.
INSERT INTO installation_states (installation_id, state, since, until)
  SELECT installation_id, 'enabled', MIN(since), CASE WHEN COUNT(until) = COUNT(*) THEN MAX(until) END
  FROM (
    SELECT installation_id, since, until, SUM(begins) OVER (PARTITION BY installation_id ORDER BY since, id) AS stretch
    FROM (
      SELECT id, installation_id, since, until,
        LAG(until) OVER (PARTITION BY installation_id ORDER BY since, id) IS NOT since AS begins
      FROM oauth_grants WHERE kind = 'installation' AND handshake_id IS NULL))
  GROUP BY installation_id, stretch;
UPDATE installation_states SET until = (SELECT i.updated_at FROM installations i WHERE i.id = installation_id)
  WHERE until IS NULL AND installation_id IN (SELECT id FROM installations WHERE state = 'disabled');
INSERT INTO installation_states (installation_id, state, since)
  SELECT id, 'disabled', updated_at FROM installations WHERE state = 'disabled';

-- Earlier times of a webhook that was declared again, or switched on again.
CREATE TABLE webhook_periods (
  webhook_id TEXT NOT NULL REFERENCES webhooks (id),
  since INTEGER NOT NULL,
  until INTEGER NOT NULL,
  off_since INTEGER
);
CREATE INDEX webhook_periods_webhook ON webhook_periods (webhook_id, since);

CREATE INDEX installations_context ON installations (context, id);
-- Beside an installation's own grants there may be one for every user it acts as.
CREATE INDEX oauth_grants_own ON oauth_grants (installation_id, since)
  WHERE kind = 'installation' AND handshake_id IS NULL;
