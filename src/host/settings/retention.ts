// How long is kept what was published, and the log.
import type { RetentionOptions } from '../options.ts';
import { invalid } from './faults.ts';

const DAY_MS = 24 * 3_600_000;
/** A delivery is owed for three days from its fan-out, and its event must outlive it. */
const FEWEST_DAYS = 4;
const MOST_DAYS = 3_650;

export function readRetention({ eventDays = 7, attemptDays = 30 }: RetentionOptions = {}) {
  for (const [name, days] of Object.entries({ eventDays, attemptDays })) {
    if (Number.isInteger(days) && days >= FEWEST_DAYS && days <= MOST_DAYS) continue;
    throw invalid(
      `retention.${name}`,
      `"${days}" is not a whole number from ${FEWEST_DAYS} to ${MOST_DAYS}.`,
      `Give at least ${FEWEST_DAYS}: deliveries are owed for 3 days, and whole days are dropped.`,
    );
  }
  return { events: eventDays * DAY_MS, attempts: attemptDays * DAY_MS };
}
