// Who counts what this process commits, so that nothing is ever counted by looking at tables.
import type { AttemptRecord } from './rows.ts';

export interface StoreObserver {
  /** @param ms that the transaction took; `writes` shared it. */
  committed(ms: number, writes: number): void;
  /** @param ms until what was committed was on the disk. */
  synced(ms: number): void;
  /** So many deliveries are owed by this process more than before; fewer, if others owe them now. */
  owed(count: number): void;
  /** So many of those that were owed ended. */
  ended(
    count: number,
    outcome: Exclude<AttemptRecord['outcome'], 'retry'>,
    reason: string | null,
  ): void;
}

/** Together those that ended alike: most of them. */
export function tellEnded(
  observer: StoreObserver | undefined,
  attempts: Pick<AttemptRecord, 'outcome' | 'reason'>[],
): void {
  if (!observer) return;
  const alike = new Map<string, { count: number; of: (typeof attempts)[number] }>();
  for (const of of attempts) {
    const name = `${of.outcome} ${of.reason}`;
    const known = alike.get(name);
    if (known) known.count++;
    else alike.set(name, { count: 1, of });
  }
  for (const { count, of } of alike.values())
    if (of.outcome !== 'retry') observer.ended(count, of.outcome, of.reason);
}
