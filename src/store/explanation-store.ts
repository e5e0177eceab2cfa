// Why an event was told to whom, and to whom it was not.
import type { ExplainedEvent, ToldFacts, ToldOf } from './explanation-rows.ts';

export interface ExplanationStore {
  /**
   * Those who could have been told: installed in the event's context when it was published, or now. By id, newest
   * first, those below `after`.
   */
  outcomes(event: ExplainedEvent, query: { after?: string; limit: number }): Promise<ToldOf[]>;
  /** In the order of the ids; one that is unknown is left out. */
  facts(event: ExplainedEvent, installationIds: string[]): Promise<ToldFacts[]>;
}
