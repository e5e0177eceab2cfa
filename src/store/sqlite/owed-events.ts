// Events of deliveries that are about to be sent.
import type { Database } from 'better-sqlite3';
import type { OwedEventStore } from '../event-store.ts';
import type { OwedDelivery } from '../rows.ts';
import type { EventTables } from './event-tables.ts';

export function owedEventStore(db: Database, tables: EventTables): OwedEventStore {
  const findOwed = ({ eventSeq, eventAt }: Pick<OwedDelivery, 'eventSeq' | 'eventAt'>) => {
    const row =
      tables.find(eventAt)?.bySeq.get(eventSeq) ?? tables.findInDayZero()?.bySeq.get(eventSeq);
    return row && { ...row, idempotency: null };
  };
  // Opening a read transaction costs ten times what is read in it.
  const readTogether = db.transaction((deliveries: Parameters<typeof findOwed>[0][]) =>
    deliveries.map(findOwed),
  );
  return {
    async findOwed(delivery) {
      return findOwed(delivery);
    },
    async findAllOwed(deliveries) {
      const bySeq = new Map(deliveries.map((delivery) => [delivery.eventSeq, delivery]));
      return readTogether([...bySeq.values()]).filter((row) => row !== undefined);
    },
  };
}
