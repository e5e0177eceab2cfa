import { raw } from 'sql-template-tag';

/** Whom an event `o` is for: subscription `s` of installation `i`, since before it, and its resource likewise. */
export const SUBSCRIBED_THEN = raw(`s.since_seq < o.seq
  AND (i.all_resources AND i.all_resources_since_seq < o.seq OR EXISTS (
    SELECT 1 FROM mortise.granted_resources r
    WHERE r.installation_id = i.id AND r.resource = o.resource AND r.since_seq < o.seq))`);
