// What was published, and what becomes of it.
import type { EventRow, FannedOut, OwedDelivery } from './rows.ts';

/** Events of deliveries that are about to be sent. */
export interface OwedEventStore {
  /** The event of a delivery; undefined when it is past retention. */
  findOwed(delivery: Pick<OwedDelivery, 'eventSeq' | 'eventAt'>): Promise<EventRow | undefined>;
  /** Those that are there, each once. */
  findAllOwed(deliveries: Pick<OwedDelivery, 'eventSeq' | 'eventAt'>[]): Promise<EventRow[]>;
}

export interface EventStore extends OwedEventStore {
  /**
   * Event and outbox rows in one transaction; a batch is all or nothing.
   * @returns the ids, those of the first time for what was published before under the same key.
   * @throws idempotency_conflict if a key was used for another body
   */
  publish(events: EventRow[]): Promise<string[]>;
  /**
   * The same inside the caller's own open transaction; nothing is published unless that commits.
   * @returns at once on SQLite, where nothing may come between.
   * @throws transaction_unusable if the handle is not a transaction on Mortise's own database.
   */
  publishWithin(transaction: unknown, events: EventRow[]): string[] | Promise<string[]>;
  find(id: string): Promise<EventRow | undefined>;
  /** Everything published before this time is past retention; 0 while nothing is. */
  forgottenBefore(): Promise<number>;
  /**
   * Turns published events of this process's share into deliveries, found by the presence of outbox rows.
   * @param expiresAfterMs how long a delivery is owed.
   * @returns those that this process sends; of the others those who do hear.
   */
  fanOut(limit: number, now: number, expiresAfterMs: number): Promise<FannedOut>;
}
