// What is owed to whom, and what came of every attempt.
import sql, { empty, raw } from 'sql-template-tag';
import { BUCKETS, bucketOf } from '../../core/ids.ts';
import type { DeliveryStore, GateStore, OwedLane } from '../delivery-store.ts';
import { type StoreObserver, tellEnded } from '../observer.ts';
import type { AttemptRecord, LaneState, OwedDelivery } from '../rows.ts';
import type { Database } from './database.ts';
import type { Days } from './days.ts';
import { endUnsent } from './end-unsent.ts';
import { tellOwners } from './handed.ts';
import type { LaneStarts } from './lane-starts.ts';
import { findLaneState, LANE_STATE_COLUMNS, writeLaneStates } from './lane-states.ts';
import { oweCalls } from './lifecycle.ts';
import type { OwnBuckets } from './own-buckets.ts';
import type { Queries } from './queries.ts';
import { findRecorded, recordAttempts } from './record.ts';
import { findWebhooksOff, switchWebhooksOff } from './webhooks.ts';

const OWED_COLUMNS = raw(`d.id, d.installation_id AS "installationId", d.webhook_id AS "webhookId",
  d.event_seq AS "eventSeq", d.event_id AS "eventId", d.event_type AS "eventType", d.event_at AS "eventAt",
  d.ordering_key AS "orderingKey", d.replay_id AS "replayId", d.allowed, d.attempts, d.due_at AS "dueAt",
  d.expires_at AS "expiresAt"`);
const ALL = Array.from({ length: BUCKETS }, (_, bucket) => bucket);
/** A long backlog that was never tried says nothing. */
const MOST_LOOKED_AT = 1_000;
const NONE: ReadonlySet<AttemptRecord> = new Set();

type RawLaneState = { [K in keyof Omit<LaneState, 'installationId'>]: LaneState[K] | null };

export function deliveryStore(
  db: Database,
  days: Days,
  own: OwnBuckets,
  starts: LaneStarts,
  observer: StoreObserver | undefined,
): Omit<DeliveryStore, keyof GateStore | 'find' | 'list'> {
  return {
    lanes: () => findLanes(db, own.open ?? ALL),
    async window(installationId, now, limit) {
      const began = performance.now();
      const from = starts.of(installationId);
      const isOfLane = sql`d.bucket = ${bucketOf(installationId)} AND d.installation_id = ${installationId}
        ${from === undefined ? empty : sql`AND d.due_at >= ${from}`}`;
      const due = await db.all<OwedDelivery>(sql`SELECT ${OWED_COLUMNS} FROM mortise.deliveries d
        WHERE ${isOfLane} AND d.due_at <= ${now} AND (d.ordering_key IS NULL OR NOT EXISTS (
          SELECT 1 FROM mortise.deliveries e WHERE e.webhook_id = d.webhook_id AND e.ordering_key = d.ordering_key
            AND e.event_seq < d.event_seq))
        ORDER BY d.due_at, d.event_seq LIMIT ${limit}`);
      const others = await db.get<{ next: number | null; first: number | null }>(sql`SELECT
          (SELECT MIN(d.due_at) FROM mortise.deliveries d WHERE ${isOfLane}) AS first,
          (SELECT MIN(d.due_at) FROM mortise.deliveries d WHERE ${isOfLane} AND d.due_at > ${now}) AS next`);
      const firstDueAt = others!.first ?? undefined;
      const wholeIn = starts.looked(installationId, now, { from, firstDueAt, began });
      if (due.length === limit) return { due, nextDueAt: now };
      const dueAts = [others!.next, wholeIn === undefined ? null : now + wholeIn];
      const known = dueAts.filter((at) => at !== null);
      return { due, nextDueAt: known.length > 0 ? Math.floor(Math.min(...known)) : undefined };
    },
    async record({ attempts, lanes = [], calls = [], isRepeated }) {
      const gone = attempts.filter(({ reason }) => reason === 'gone');
      const changed = [...gone.map(({ delivery }) => delivery), ...calls];
      const record = () =>
        db.transaction(async (tx) => {
          await lockAll(
            tx,
            changed.map(({ installationId }) => installationId),
          );
          if (gone.length > 0) {
            await switchWebhooksOff(
              tx,
              gone.map(({ delivery, at }) => ({ webhookId: delivery.webhookId, at })),
            );
          }
          const known = isRepeated ? await findRecorded(tx, attempts) : NONE;
          const recorded = await recordAttempts(
            tx,
            attempts.filter((attempt) => !known.has(attempt)),
          );
          // What was begun before its bucket was another's: that one counts it, and knows how the endpoint fares.
          const ofOthers = recorded
            .map(({ delivery }) => delivery.installationId)
            .filter((id) => !own.holds(id));
          await tellOwners(tx, ofOthers, -1);
          await writeLaneStates(
            tx,
            lanes.filter(({ installationId }) => own.holds(installationId)),
          );
          await oweCalls(tx, calls);
          return { ended: [...known, ...recorded], ofOthers: ofOthers.length };
          // After a power loss, what was sent last is sent again, with the same ids.
        }, 'committed');
      const times = attempts.map(({ at }) => at);
      const { ended, ofOthers } = await days.writing(times, record);
      tellEnded(observer, ended);
      if (ofOthers > 0) observer?.owed(ofOthers);
    },
    async endUnsent(installationId, because, which, limit) {
      const isMine = own.holds(installationId);
      const count = await days.writing([because.at], () =>
        db.transaction(async (tx) => {
          const ended = await endUnsent(tx, installationId, because, which, limit);
          if (!isMine) await tellOwners(tx, Array<string>(ended).fill(installationId), -1);
          return ended;
        }),
      );
      if (count > 0) observer?.ended(count, 'dropped', because.reason);
      if (!isMine) observer?.owed(count);
      return count;
    },
    async health(installationId) {
      const [lane, retrying, webhooksOff] = await Promise.all([
        findLaneState(db, installationId),
        findRetrying(db, installationId),
        findWebhooksOff(db, installationId),
      ]);
      return { lane, retrying, webhooksOff };
    },
  };
}

/** Those that are still owed, and were not tried: what was tried is known to who did. */
export async function findOwed(db: Queries, ids: string[]): Promise<OwedDelivery[]> {
  if (ids.length === 0) return [];
  return db.all<OwedDelivery>(
    sql`SELECT ${OWED_COLUMNS} FROM mortise.deliveries d WHERE d.id = ANY (${ids}::text[]) AND d.attempts = 0
      ORDER BY d.event_seq`,
  );
}

/** Of all installations that are owed something in these buckets. */
export async function findLanes(db: Queries, buckets: number[]): Promise<OwedLane[]> {
  // A loose index scan: one step per lane, however many rows a lane has.
  const rows = await db.all<{ installationId: string; dueAt: number } & RawLaneState>(
    sql`WITH RECURSIVE lane AS (
        SELECT first.* FROM unnest(${buckets}::smallint[]) AS b (id) CROSS JOIN LATERAL (
          SELECT bucket, installation_id, due_at FROM mortise.deliveries
          WHERE bucket = b.id ORDER BY installation_id, due_at LIMIT 1) first
        UNION ALL
        SELECT next.* FROM lane CROSS JOIN LATERAL (SELECT d.bucket, d.installation_id, d.due_at
          FROM mortise.deliveries d WHERE d.bucket = lane.bucket AND d.installation_id > lane.installation_id
          ORDER BY d.installation_id, d.due_at LIMIT 1) next)
      SELECT lane.installation_id AS "installationId", lane.due_at AS "dueAt", ${LANE_STATE_COLUMNS}
      FROM lane LEFT JOIN mortise.lane_states l
        ON l.bucket = lane.bucket AND l.installation_id = lane.installation_id`,
  );
  return rows.map(({ installationId, dueAt, ...raw }) => ({
    installationId,
    dueAt,
    state: raw.failures === null ? undefined : ({ installationId, ...raw } as LaneState),
  }));
}

/** In the order of their ids, so that nobody waits in a circle. */
async function lockAll(tx: Queries, installationIds: string[]): Promise<void> {
  if (installationIds.length === 0) return;
  await tx.run(sql`SELECT 1 FROM mortise.installations WHERE id = ANY (${installationIds}::text[])
    ORDER BY id FOR UPDATE`);
}

async function findRetrying(db: Queries, installationId: string) {
  const row = await db.get<{ attempts: number | null; since: number | null }>(
    sql`SELECT MAX(attempts) AS attempts, MIN(event_at) AS since FROM (
        SELECT attempts, event_at FROM mortise.deliveries
        WHERE bucket = ${bucketOf(installationId)} AND installation_id = ${installationId}
        ORDER BY due_at LIMIT ${MOST_LOOKED_AT}) d
      WHERE attempts > 0`,
  );
  return row && row.attempts !== null ? { attempts: row.attempts, since: row.since! } : undefined;
}
