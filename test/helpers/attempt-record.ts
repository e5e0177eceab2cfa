import type { AttemptRecord, OwedDelivery } from '../../src/store/rows.ts';

/** A delivery that succeeded now, as far as nothing else is said. */
export function attemptRecord(
  delivery: OwedDelivery,
  own: Partial<AttemptRecord> = {},
): AttemptRecord {
  return {
    delivery,
    number: delivery.attempts + 1,
    at: Date.now(),
    durationMs: 1,
    outcome: 'delivered',
    status: 200,
    reason: null,
    message: null,
    responseExcerpt: null,
    url: 'https://addon.example/hook',
    withheld: [],
    nextDueAt: null,
    ...own,
  };
}
