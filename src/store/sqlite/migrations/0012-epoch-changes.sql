-- How often an epoch has moved: whoever sends looks at this one number instead of at the epoch of each installation.
CREATE TABLE epoch_changes (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  count INTEGER NOT NULL
);
INSERT INTO epoch_changes VALUES (1, 0);
CREATE TRIGGER epoch_moved AFTER UPDATE OF epoch ON installations
BEGIN
  UPDATE epoch_changes SET count = count + 1;
END;
CREATE TRIGGER installation_removed AFTER DELETE ON installations
BEGIN
  UPDATE epoch_changes SET count = count + 1;
END;
