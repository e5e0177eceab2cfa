// Deliveries that are ended together without being sent.
import sql, { empty } from 'sql-template-tag';
import { bucketOf } from '../../core/ids.ts';
import type { Unsendable } from '../delivery-store.ts';
import { withoutNul } from './free-text.ts';
import type { Queries } from './queries.ts';

/** @returns how many */
export async function endUnsent(
  tx: Queries,
  installationId: string,
  { reason, message, at }: { reason: string; message: string; at: number },
  which: Unsendable,
  limit: number,
): Promise<number> {
  const { epoch, expiredBefore = null, eventsUpTo = null, webhookId = null, sparesNow } = which;
  if (epoch !== undefined) {
    // Locked against whoever would change it: what they bring is not to be ended for what was before.
    const same = await tx.get(sql`SELECT 1 FROM mortise.installations
      WHERE id = ${installationId} AND epoch = ${epoch} FOR SHARE`);
    if (!same) return 0;
  }
  const row = await tx.get<{ count: number }>(sql`WITH chosen AS MATERIALIZED (
      SELECT id FROM mortise.deliveries
      WHERE bucket = ${bucketOf(installationId)} AND installation_id = ${installationId}
        AND (${expiredBefore}::bigint IS NULL OR expires_at < ${expiredBefore}::bigint)
        AND (${eventsUpTo}::bigint IS NULL OR event_seq <= ${eventsUpTo}::bigint)
        AND (${webhookId}::text IS NULL OR webhook_id = ${webhookId})
        ${sparesNow ? sql`AND allowed IS NULL` : empty}
      ORDER BY due_at LIMIT ${limit}),
    ended AS (DELETE FROM mortise.deliveries d USING chosen WHERE d.id = chosen.id RETURNING d.*),
    logged AS (INSERT INTO mortise.attempts (delivery_id, number, at, duration_ms, outcome, reason, message, url,
        installation_id, webhook_id, event_id, event_type, event_at, replay_id)
      SELECT id, 0, ${at}::bigint, 0, 'dropped', ${reason}, ${withoutNul(message)}, '', installation_id, webhook_id,
        event_id, event_type, event_at, replay_id
      FROM ended ORDER BY due_at),
    counted AS (UPDATE mortise.replays r SET dropped = r.dropped + c.count
      FROM (SELECT replay_id, count(*) AS count FROM ended WHERE replay_id IS NOT NULL GROUP BY replay_id) c
      WHERE r.id = c.replay_id)
    SELECT count(*) AS count FROM ended`);
  return row!.count;
}
