// Deliveries that are owed again. Each chunk's deliveries and the replay's progress are one transaction: killed in
// between, it goes on where it stopped, and nothing is owed twice.
import sql, { raw } from 'sql-template-tag';
import { bucketOf } from '../../core/ids.ts';
import type { StoreObserver } from '../observer.ts';
import type { Candidate } from '../replay-candidates.ts';
import type { ReplayRow } from '../replay-rows.ts';
import type { ReplayStore } from '../replay-store.ts';
import { replayedId } from '../replayed-id.ts';
import type { Database } from './database.ts';
import { tellOwners } from './handed.ts';
import { lockReplays } from './locks.ts';
import type { OwnBuckets } from './own-buckets.ts';
import type { Queries } from './queries.ts';
import { scanReplay } from './replay-scan.ts';

const COLUMNS = raw(`id, state, delivery_id AS "deliveryId", installation_id AS "installationId",
  event_type AS "eventType", event_id AS "eventId", since, until, outcomes, allowed, new_ids AS "newIds",
  per_second AS "perSecond", cursor, total, done, already_delivered AS "alreadyDelivered",
  skipped_owed AS "skippedOwed", skipped_expired AS "skippedExpired", delivered, failed, dropped,
  created_at AS "createdAt", ended_at AS "endedAt"`);

type RawReplay = Omit<ReplayRow, 'outcomes'> & { outcomes: string; cursor: string | null };

export function replayStore(db: Database, own: OwnBuckets, observer?: StoreObserver): ReplayStore {
  return {
    async create(replay) {
      await db.run(sql`INSERT INTO mortise.replays (id, state, delivery_id, installation_id, event_type, event_id,
          since, until, outcomes, allowed, new_ids, per_second, total, already_delivered, created_at)
        VALUES (${replay.id}, 'running', ${replay.deliveryId}, ${replay.installationId}, ${replay.eventType},
          ${replay.eventId}, ${replay.since}, ${replay.until}, ${JSON.stringify(replay.outcomes)}, ${replay.allowed},
          ${replay.newIds}, ${replay.perSecond}, ${replay.total}, ${replay.alreadyDelivered}, ${replay.createdAt})`);
    },
    find: (id) => find(db, id),
    async list({ after, limit }) {
      const rows = await db.all<RawReplay>(sql`SELECT ${COLUMNS} FROM mortise.replays
        WHERE ${after}::text IS NULL OR id < ${after} ORDER BY id DESC LIMIT ${limit}`);
      return rows.map(read);
    },
    async running() {
      const rows = await db.all<RawReplay>(
        sql`SELECT ${COLUMNS} FROM mortise.replays WHERE state = 'running' ORDER BY id`,
      );
      return rows.map(read);
    },
    cancel: (id, at) =>
      db.transaction(async (tx) => {
        await tx.run(sql`UPDATE mortise.replays SET state = 'cancelled', ended_at = ${at}
          WHERE id = ${id} AND state = 'running'`);
        return find(tx, id);
      }),
    async count(what, cursor) {
      const page = await db.snapshot((tx) =>
        scanReplay(tx, what, cursor, Number.POSITIVE_INFINITY),
      );
      return {
        count: page.take.length,
        alreadyDelivered: page.take.filter(({ outcome }) => outcome === 'delivered').length,
        skippedOwed: page.owed,
        skippedExpired: page.expired,
        cursor: page.cursor,
      };
    },
    async advance(id, { most, now, expiresAfterMs }) {
      const chunk = await db.transaction(async (tx) => {
        await lockReplays(tx);
        const raw = await tx.get<RawReplay>(
          sql`SELECT ${COLUMNS} FROM mortise.replays WHERE id = ${id} AND state = 'running' FOR UPDATE`,
        );
        if (!raw) return undefined;
        const { take, owed, expired, cursor } = await scanReplay(
          tx,
          read(raw),
          raw.cursor,
          most,
          id,
        );
        const installationIds = await owe(tx, read(raw), take, now, now + expiresAfterMs);
        const done = installationIds.length;
        // Whoever that is by the time of the commit.
        if (!own.isAlone) await tellOwners(tx, installationIds, 1);
        // Fan-out has come to what was never owed: since it was looked at, and before it was made due here.
        const overtaken = take.length - done;
        await tx.run(sql`UPDATE mortise.replays SET cursor = ${cursor}, done = done + ${done},
            skipped_owed = skipped_owed + ${owed + overtaken}, skipped_expired = skipped_expired + ${expired},
            state = CASE WHEN ${cursor}::text IS NULL THEN 'done' ELSE state END,
            ended_at = CASE WHEN ${cursor}::text IS NULL THEN ${now}::bigint END
          WHERE id = ${id}`);
        return { installationIds: [...new Set(installationIds)], done, isOver: cursor === null };
      });
      if (chunk && own.isAlone) observer?.owed(chunk.done);
      return chunk;
    },
  };
}

async function find(db: Queries, id: string): Promise<ReplayRow | undefined> {
  const row = await db.get<RawReplay>(sql`SELECT ${COLUMNS} FROM mortise.replays WHERE id = ${id}`);
  return row && read(row);
}

/** @returns of each that is owed now and was not, to whom */
async function owe(
  tx: Queries,
  replay: ReplayRow,
  take: Candidate[],
  now: number,
  expiresAt: number,
): Promise<string[]> {
  const rows = await tx.all<{
    installationId: string;
  }>(sql`INSERT INTO mortise.deliveries (id, bucket, installation_id,
      webhook_id, event_seq, event_id, event_type, event_at, ordering_key, replay_id, allowed, due_at, expires_at)
    SELECT t.*, ${replay.id}, ${replay.allowed === 'now' ? 'now' : null}::text, ${now}::bigint, ${expiresAt}::bigint
    FROM unnest(${take.map((one) => idOf(one, replay))}::text[],
      ${take.map(({ installationId }) => bucketOf(installationId))}::smallint[],
      ${take.map(({ installationId }) => installationId)}::text[],
      ${take.map(({ webhookId }) => webhookId)}::text[], ${take.map(({ eventSeq }) => eventSeq)}::bigint[],
      ${take.map(({ eventId }) => eventId)}::text[], ${take.map(({ eventType }) => eventType)}::text[],
      ${take.map(({ eventAt }) => eventAt)}::bigint[], ${take.map(({ orderingKey }) => orderingKey)}::text[]) t
    ON CONFLICT (id) DO NOTHING
    RETURNING installation_id AS "installationId"`);
  return rows.map(({ installationId }) => installationId);
}

function idOf({ id, eventAt, outcome }: Candidate, replay: ReplayRow): string {
  // What never was owed has no id that an add-on could know.
  return replay.newIds && outcome !== null ? replayedId(replay.id, id, eventAt) : id;
}

function read({ outcomes, cursor: _, ...row }: RawReplay): ReplayRow {
  return { ...row, outcomes: JSON.parse(outcomes) };
}
