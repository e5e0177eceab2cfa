// What is owed to whom, and what came of every attempt.
import type { Database } from 'better-sqlite3';
import type { DeliveryStore, GateStore, Unsendable } from '../delivery-store.ts';
import { type StoreObserver, tellEnded } from '../observer.ts';
import type { AttemptRecord, LaneState, OwedDelivery } from '../rows.ts';
import { type AttemptTables, insertAttempt, insertUnsent } from './attempt-tables.ts';
import { deliveryViews } from './delivery-views.ts';
import type { EventTables } from './event-tables.ts';
import { LANE_STATE_COLUMNS, laneStateStatements } from './lane-states.ts';
import { insertCallStatement } from './lifecycle.ts';
import { replayEndStatements } from './replays.ts';
import type { Unwritten } from './unwritten.ts';
import { webhookStatements } from './webhooks.ts';
import type { Writer } from './writer.ts';

const OWED_COLUMNS = `id, installation_id AS installationId, webhook_id AS webhookId, event_seq AS eventSeq,
  event_id AS eventId, event_type AS eventType, event_at AS eventAt, ordering_key AS orderingKey,
  replay_id AS replayId, allowed, attempts, due_at AS dueAt, expires_at AS expiresAt`;

export function deliveryStore(
  db: Database,
  writer: Writer,
  gate: GateStore,
  attemptTables: AttemptTables,
  eventTables: EventTables,
  unwritten: Unwritten,
  observer: StoreObserver | undefined,
): DeliveryStore {
  const laneStates = laneStateStatements(db);
  const webhooks = webhookStatements(db);
  const insertCall = insertCallStatement(db);
  const replays = replayEndStatements(db);
  // A loose index scan: one step per lane, however many rows a lane has.
  const lanes = db.prepare<[], { installationId: string; dueAt: number } & RawLaneState>(
    `WITH RECURSIVE lane (id) AS (
       SELECT MIN(installation_id) FROM deliveries
       UNION ALL
       SELECT (SELECT MIN(installation_id) FROM deliveries WHERE installation_id > lane.id)
       FROM lane WHERE lane.id IS NOT NULL)
     SELECT id AS installationId, (SELECT MIN(due_at) FROM deliveries WHERE installation_id = lane.id) AS dueAt,
       ${LANE_STATE_COLUMNS}
     FROM lane LEFT JOIN lane_states l ON l.installation_id = id WHERE id IS NOT NULL`,
  );
  // LIMIT takes no bare parameter: SQLite would plan the statement anew for each value it is given.
  const due = db.prepare<[string, number, number], OwedDelivery>(
    `SELECT ${OWED_COLUMNS} FROM deliveries d WHERE installation_id = ? AND due_at <= ?
       AND (ordering_key IS NULL OR NOT EXISTS (SELECT 1 FROM deliveries e
         WHERE e.webhook_id = d.webhook_id AND e.ordering_key = d.ordering_key AND e.event_seq < d.event_seq))
     ORDER BY due_at, event_seq LIMIT (? + 0)`,
  );
  const nextDue = db
    .prepare<[string, number], number | null>(
      'SELECT MIN(due_at) FROM deliveries WHERE installation_id = ? AND due_at > ?',
    )
    .pluck();
  // Not what a replay owes again, after it was ended with others while an attempt was under way.
  const end = db.prepare('DELETE FROM deliveries WHERE id = ? AND replay_id IS ?');
  const postpone = db.prepare(
    'UPDATE deliveries SET attempts = ?, due_at = ? WHERE id = ? AND replay_id IS ? AND attempts = ?',
  );
  const unsent = db
    .prepare<
      Required<Nullable<Omit<Unsendable, 'sparesNow'>>> & {
        sparesNow: 1 | null;
        installationId: string;
        limit: number;
      },
      string
    >(
      `SELECT d.id FROM deliveries d JOIN installations i ON i.id = d.installation_id
       WHERE d.installation_id = @installationId AND (@epoch IS NULL OR i.epoch = @epoch)
         AND (@expiredBefore IS NULL OR d.expires_at < @expiredBefore)
         AND (@eventsUpTo IS NULL OR d.event_seq <= @eventsUpTo)
         AND (@webhookId IS NULL OR d.webhook_id = @webhookId)
         AND (@sparesNow IS NULL OR d.allowed IS NULL)
       ORDER BY d.due_at LIMIT @limit`,
    )
    .pluck();
  // Bounded: a long backlog that was never tried says nothing.
  const retrying = db.prepare<[string], { attempts: number | null; since: number | null }>(
    `SELECT MAX(attempts) AS attempts, MIN(event_at) AS since FROM (
       SELECT attempts, event_at FROM deliveries WHERE installation_id = ? ORDER BY due_at LIMIT 1000)
     WHERE attempts > 0`,
  );
  const endAll = db.prepare<[string]>(
    'DELETE FROM deliveries WHERE id IN (SELECT value FROM json_each(?))',
  );

  /** @returns whether it ended a delivery that was owed */
  function recordOne(record: AttemptRecord): boolean {
    const { delivery } = record;
    let hasEnded = false;
    if (record.outcome !== 'retry') {
      hasEnded =
        unwritten.hasWithoutRow(delivery) ||
        end.run(delivery.id, delivery.replayId).changes === 1 ||
        unwritten.has(delivery);
      // Nothing was sent, and why has been written down with all that were ended together.
      if (!hasEnded && record.outcome === 'dropped') return false;
      // Otherwise unguarded: that the receiver said 2xx is a fact, whoever is told of it.
      if (hasEnded && delivery.replayId !== null) replays.ended(delivery.replayId, record.outcome);
    } else if (!record.isProbe) {
      // Guarded by the count seen: an engine that lost its turn meanwhile moves nothing.
      const moved = postpone.run(
        record.number,
        record.nextDueAt,
        delivery.id,
        delivery.replayId,
        delivery.attempts,
      );
      if (moved.changes === 0) return false;
    }
    insertAttempt(attemptTables, record);
    if (record.reason === 'gone') webhooks.switchOff(delivery.webhookId, record.at);
    return hasEnded;
  }

  return {
    ...deliveryViews(db, attemptTables, eventTables, unwritten),
    ...gate,
    async lanes() {
      await unwritten.settle();
      return lanes.all().map(({ installationId, dueAt, ...raw }) => ({
        installationId,
        dueAt,
        state: raw.failures === null ? undefined : ({ installationId, ...raw } as LaneState),
      }));
    },
    async window(installationId, now, limit) {
      await unwritten.settleOf(installationId);
      const rows = due.all(installationId, now, limit);
      const nextDueAt =
        rows.length === limit ? now : (nextDue.get(installationId, now) ?? undefined);
      return { due: rows, nextDueAt };
    },
    async health(installationId) {
      const { attempts, since } = retrying.get(installationId)!;
      return {
        lane: laneStates.find(installationId),
        retrying: attempts === null ? undefined : { attempts, since: since! },
        webhooksOff: webhooks.off(installationId),
      };
    },
    async record({ attempts, lanes: states = [], calls = [] }) {
      const ended = await writer.write(() => {
        unwritten.removeDone();
        const handed = attempts.filter(({ delivery }) => unwritten.has(delivery));
        unwritten.write(handed.filter(isTriedAgain).map(deliveryOf));
        const those = attempts.filter(recordOne);
        unwritten.ended(handed.filter(isLast).map(deliveryOf));
        for (const state of states) laneStates.write(state);
        for (const call of calls) insertCall.run(call);
        return those;
        // After a power loss, what was sent last is sent again, with the same ids. A commit that failed has not been made.
      }, 'committed');
      tellEnded(observer, ended);
    },
    async endUnsent(installationId, { reason, message, at }, which, limit) {
      const count = await writer.write(() => {
        unwritten.writeOf(installationId);
        const { epoch = null, expiredBefore = null, eventsUpTo = null, webhookId = null } = which;
        const sparesNow = which.sparesNow ? 1 : null;
        const ids = unsent.all({
          installationId,
          epoch,
          expiredBefore,
          eventsUpTo,
          webhookId,
          sparesNow,
          limit,
        });
        if (ids.length === 0) return 0;
        const list = JSON.stringify(ids);
        insertUnsent(attemptTables, { ids: list, at, reason, message });
        replays.dropped(list);
        endAll.run(list);
        return ids.length;
      });
      if (count > 0) observer?.ended(count, 'dropped', reason);
      return count;
    },
  };
}

const deliveryOf = ({ delivery }: AttemptRecord) => delivery;
const isLast = ({ outcome }: AttemptRecord) => outcome !== 'retry';
/** After a probe it is owed as it was. */
const isTriedAgain = (record: AttemptRecord) => !isLast(record) && !record.isProbe;

type Nullable<T> = { [K in keyof T]: T[K] | null };
type RawLaneState = { [K in keyof Omit<LaneState, 'installationId'>]: LaneState[K] | null };
