-- Handshakes hold whole descriptors, and are let go some time after they have ended.
CREATE INDEX handshakes_ended ON handshakes (ended_at) WHERE ended_at IS NOT NULL;
