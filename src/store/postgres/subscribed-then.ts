// Whom an event is for: fan-out asks it, and explanations of what fan-out has not come to yet.
import sql, { type Sql } from 'sql-template-tag';

/**
 * Subscription `s` of installation `i`, since before the event, and its resource likewise.
 * @param seq of the event
 */
export function subscribedThen(seq: number, resource: string | null): Sql {
  return sql`s.since_seq < ${seq}
    AND (i.all_resources AND i.all_resources_since_seq < ${seq} OR EXISTS (
      SELECT 1 FROM mortise.granted_resources r
      WHERE r.installation_id = i.id AND r.resource = ${resource} AND r.since_seq < ${seq}))`;
}
