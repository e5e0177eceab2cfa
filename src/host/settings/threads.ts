// How many threads send.
import type { HostOptions } from '../options.ts';
import { invalid } from './faults.ts';

const MOST_THREADS = 31;

export function readThreads({ deliveryThreads, clock }: HostOptions, database: string): number {
  const isAlone = database === ':memory:' || clock !== undefined;
  const threads = deliveryThreads ?? (isAlone ? 0 : 1);
  if (Number.isInteger(threads) && threads >= 0 && threads <= (isAlone ? 0 : MOST_THREADS)) {
    return threads;
  }
  throw invalid(
    'deliveryThreads',
    isAlone && threads > 0
      ? 'Threads cannot see a database in memory, or a clock of your own.'
      : `"${threads}" is not a whole number from 0 to ${MOST_THREADS}.`,
    'Leave it out, or give 0.',
  );
}
