// Published events, and the outbox beside them: in Mortise's own transaction, or in the product's.
import sql, { raw } from 'sql-template-tag';
import type { EventStore } from '../event-store.ts';
import type { StoreObserver } from '../observer.ts';
import type { EventRow } from '../rows.ts';
import { type Database, DURABLE } from './database.ts';
import type { Days } from './days.ts';
import { fanOut } from './fan-out.ts';
import { GroupedPublishes } from './grouped-publishes.ts';
import type { OutboxStart } from './outbox-start.ts';
import { EVENT_COLUMNS, owedEventStore } from './owed-events.ts';
import type { OwnBuckets } from './own-buckets.ts';
import { asUnusable, productTransaction } from './product-transaction.ts';
import { hasKeys, idsOf, type PublishedRow, publishing } from './publish.ts';
import { asStoreError } from './store-errors.ts';

/** What is published without a key, one group after the other: in the order it was asked for. */
const GROUPS_WITHOUT_KEYS = 1;
/** Who has a key may have to wait for whoever uses it too; others need not. */
const GROUPS_WITH_KEYS = 3;
/** Whoever else is in the group does not wait for long. */
const IMPATIENTLY = sql`SET LOCAL lock_timeout = '500ms'`;
/** In the product's transaction: what it commits must be on the disk, if its database is set to otherwise. */
const DURABLE_THERE = raw(
  `CASE current_setting('synchronous_commit') WHEN 'off' THEN set_config('synchronous_commit', 'on', true) END`,
);

export function eventStore(
  db: Database,
  days: Days,
  own: OwnBuckets,
  outbox: OutboxStart,
  observer: StoreObserver | undefined,
): EventStore {
  const timesOf = (events: EventRow[]) => events.map(({ createdAt }) => createdAt);
  /**
   * Somebody may hold the tables (an index is made, for example). A statement by itself cannot be told for how long to
   * wait, and its connection is kept by the server when nobody listens any more: one such is enough.
   */
  let mayBeHeldUp = false;
  const withoutKeys = new GroupedPublishes(
    async (events, calls) => {
      const statement = publishing(events, own.preferred, DURABLE);
      const write = () =>
        mayBeHeldUp
          ? db.transaction((tx) => tx.all<PublishedRow>(statement), 'durable')
          : db.durably<PublishedRow>(statement, calls);
      try {
        const rows = await days.writing(timesOf(events), write);
        mayBeHeldUp = false;
        return rows.map(({ id }) => id);
      } catch (error) {
        mayBeHeldUp = true;
        throw error;
      }
    },
    GROUPS_WITHOUT_KEYS,
    false,
  );
  const withKeys = new GroupedPublishes(
    (events, _calls, isPatient) =>
      days.writing(timesOf(events), () =>
        db.transaction(async (tx) => {
          if (!isPatient) await tx.run(IMPATIENTLY);
          return idsOf(events, await tx.all(publishing(events, own.preferred, DURABLE)));
        }, 'durable'),
      ),
    GROUPS_WITH_KEYS,
  );
  return {
    ...owedEventStore(db),
    async publish(events) {
      if (events.length === 0) return [];
      return (hasKeys(events) ? withKeys : withoutKeys).publish(events);
    },
    async publishWithin(transaction, events) {
      const { queries, client } = await productTransaction(transaction, db);
      if (events.length === 0) return [];
      // Beside the transaction: a statement that fails would end it.
      await days.ensure(timesOf(events));
      const isUndone = events.length > 1 && hasKeys(events);
      if (isUndone) await client.query('SAVEPOINT mortise');
      const rows = await queries
        .all<PublishedRow>(publishing(events, own.preferred, DURABLE_THERE))
        .catch((error) => {
          throw asStoreError(asUnusable(error));
        });
      try {
        return idsOf(events, rows);
      } catch (error) {
        // One by itself has written nothing.
        if (isUndone) await client.query('ROLLBACK TO SAVEPOINT mortise');
        throw error;
      } finally {
        if (isUndone) await client.query('RELEASE SAVEPOINT mortise');
      }
    },
    async find(id) {
      const row = await db.get<Omit<EventRow, 'idempotency'>>(
        sql`SELECT ${EVENT_COLUMNS} FROM mortise.events e WHERE e.id = ${id}`,
      );
      return row && { ...row, idempotency: null };
    },
    async forgottenBefore() {
      const row = await db.get<{ value: string }>(
        sql`SELECT value FROM mortise.settings WHERE name = 'events_forgotten_before'`,
      );
      return Number(row?.value ?? 0);
    },
    async fanOut(limit, now, expiresAfterMs) {
      const pass = await fanOut(db, own, outbox, limit, now, now + expiresAfterMs);
      observer?.owed(pass.owed.length);
      return pass;
    },
  };
}
