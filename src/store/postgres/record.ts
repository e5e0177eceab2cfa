// What came of attempts, in one statement: what is done is deleted, what is retried moved, the log kept.
import sql from 'sql-template-tag';
import type { AttemptRecord } from '../rows.ts';
import { withoutNul } from './free-text.ts';
import type { Queries } from './queries.ts';

/** @returns those that ended a delivery that was owed */
export async function recordAttempts(
  tx: Queries,
  attempts: AttemptRecord[],
): Promise<AttemptRecord[]> {
  const ended: AttemptRecord[] = [];
  for (const round of rounds(attempts)) {
    const ids = await recordRound(tx, round);
    ended.push(...round.filter(({ delivery }) => ids.has(delivery.id)));
  }
  return ended;
}

/**
 * Those that are in the log: of a record that was asked for before, and perhaps committed unheard. If that is still under
 * way, it is waited for by the rows that it deletes.
 */
export async function findRecorded(
  tx: Queries,
  attempts: AttemptRecord[],
): Promise<Set<AttemptRecord>> {
  if (attempts.length === 0) return new Set();
  const ids = attempts.map(({ delivery }) => delivery.id);
  await tx.run(
    sql`SELECT 1 FROM mortise.deliveries WHERE id = ANY (${ids}::text[]) ORDER BY id FOR UPDATE`,
  );
  const times = attempts.map(({ at }) => at);
  const places = await tx.all<{ place: number }>(sql`SELECT m.place FROM unnest(${ids}::text[],
      ${attempts.map(({ number }) => number)}::int[], ${times}::bigint[]) WITH ORDINALITY AS m (delivery_id, number, at, place)
    WHERE EXISTS (SELECT 1 FROM mortise.attempts a
      WHERE a.delivery_id = m.delivery_id AND a.number = m.number AND a.at = m.at
        AND a.at BETWEEN ${Math.min(...times)} AND ${Math.max(...times)})`);
  return new Set(places.map(({ place }) => attempts[place - 1]!));
}

/** One statement changes a row once: a second attempt of the same delivery is of another round. */
function rounds(attempts: AttemptRecord[]): AttemptRecord[][] {
  const made: AttemptRecord[][] = [];
  const count = new Map<string, number>();
  for (const attempt of attempts) {
    const round = count.get(attempt.delivery.id) ?? 0;
    count.set(attempt.delivery.id, round + 1);
    made[round] ??= [];
    made[round].push(attempt);
  }
  return made;
}

/**
 * That the receiver said 2xx is a fact, whoever is told of it. A retry is guarded by the count of attempts seen: an
 * engine that lost its turn meanwhile moves nothing. Of one that was not sent, because it was ended with others, why
 * has been written down with them; and what a replay owes again since stays owed.
 */
async function recordRound(tx: Queries, attempts: AttemptRecord[]): Promise<Set<string>> {
  const each = <T>(value: (attempt: AttemptRecord) => T) => attempts.map(value);
  const ended = await tx.all<{ id: string }>(sql`WITH made AS MATERIALIZED (
      SELECT * FROM unnest(${each(({ delivery }) => delivery.id)}::text[], ${each(({ delivery }) => delivery.attempts)}::int[],
        ${each(({ isProbe }) => isProbe ?? false)}::boolean[], ${each(({ number }) => number)}::int[],
        ${each(({ at }) => at)}::bigint[], ${each(({ durationMs }) => durationMs)}::bigint[],
        ${each(({ outcome }) => outcome)}::text[], ${each(({ status }) => status)}::int[],
        ${each(({ reason }) => reason)}::text[], ${each(({ message }) => withoutNul(message))}::text[],
        ${each(({ responseExcerpt }) => withoutNul(responseExcerpt))}::text[], ${each(({ url }) => url)}::text[],
        ${each(({ withheld }) => (withheld.length === 0 ? null : JSON.stringify(withheld)))}::text[],
        ${each(({ nextDueAt }) => nextDueAt)}::bigint[], ${each(({ delivery }) => delivery.installationId)}::text[],
        ${each(({ delivery }) => delivery.webhookId)}::text[], ${each(({ delivery }) => delivery.eventId)}::text[],
        ${each(({ delivery }) => delivery.eventType)}::text[], ${each(({ delivery }) => delivery.eventAt)}::bigint[],
        ${each(({ delivery }) => delivery.replayId)}::text[]) WITH ORDINALITY
      AS m (delivery_id, seen, is_probe, number, at, duration_ms, outcome, status, reason, message, response_excerpt,
        url, withheld, next_due_at, installation_id, webhook_id, event_id, event_type, event_at, replay_id, place)),
    ended AS (DELETE FROM mortise.deliveries d
      WHERE id = ANY (${attempts.filter(isEnd).map(({ delivery }) => delivery.id)}::text[])
        AND EXISTS (SELECT 1 FROM made m WHERE m.delivery_id = d.id AND m.replay_id IS NOT DISTINCT FROM d.replay_id)
      RETURNING id),
    moved AS (UPDATE mortise.deliveries d SET attempts = m.number, due_at = m.next_due_at FROM made m
      WHERE d.id = m.delivery_id AND m.replay_id IS NOT DISTINCT FROM d.replay_id AND d.attempts = m.seen AND m.outcome = 'retry' AND NOT m.is_probe RETURNING d.id),
    logged AS (INSERT INTO mortise.attempts (delivery_id, number, at, duration_ms, outcome, status, reason, message,
        response_excerpt, url, withheld, next_due_at, installation_id, webhook_id, event_id, event_type, event_at,
        replay_id)
      SELECT delivery_id, number, at, duration_ms, outcome, status, reason, message, response_excerpt, url, withheld,
        next_due_at, installation_id, webhook_id, event_id, event_type, event_at, replay_id
      FROM made m LEFT JOIN ended ON ended.id = m.delivery_id LEFT JOIN moved ON moved.id = m.delivery_id
      WHERE CASE m.outcome WHEN 'retry' THEN m.is_probe OR moved.id IS NOT NULL
        WHEN 'dropped' THEN ended.id IS NOT NULL ELSE true END
      ORDER BY place),
    counted AS (UPDATE mortise.replays r SET delivered = r.delivered + c.delivered, failed = r.failed + c.failed,
        dropped = r.dropped + c.dropped
      FROM (SELECT m.replay_id, count(*) FILTER (WHERE m.outcome = 'delivered') AS delivered,
          count(*) FILTER (WHERE m.outcome = 'failed') AS failed, count(*) FILTER (WHERE m.outcome = 'dropped') AS dropped
        FROM ended JOIN made m ON m.delivery_id = ended.id WHERE m.replay_id IS NOT NULL GROUP BY m.replay_id) c
      WHERE r.id = c.replay_id)
    SELECT id FROM ended`);
  return new Set(ended.map(({ id }) => id));
}

function isEnd({ outcome }: AttemptRecord): boolean {
  return outcome !== 'retry';
}
