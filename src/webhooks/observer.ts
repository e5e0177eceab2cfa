// Who is told what the engine does, as it happens.
import type { Attempted } from './attempt.ts';

export interface EngineObserver {
  /** An attempt is over, or the gate said no; not recorded yet. */
  attempted(attempt: Attempted): void;
}
