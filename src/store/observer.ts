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
