// Who counts what the engine does: told as it happens, so that nothing is ever counted by looking at tables.
import type { AttemptRecord } from '../store/rows.ts';
import type { Attempted } from './attempt.ts';

export interface EngineObserver {
  /** So many deliveries are owed more than before: committed. */
  owed(count: number): void;
  /** An attempt is over, or the gate said no; not recorded yet. */
  attempted(attempt: Attempted): void;
  /** What came of these is committed. */
  recorded(attempts: AttemptRecord[]): void;
  /** So many ended without being sent or looked at one by one: committed. */
  endedUnsent(count: number, reason: string): void;
}
