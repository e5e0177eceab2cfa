// Deliveries owed again, each replay chunk by chunk.
import type {
  NewReplay,
  ReplayChunk,
  ReplayCount,
  ReplayRow,
  ReplaySelection,
} from './replay-rows.ts';

export interface ReplayStore {
  create(replay: NewReplay): Promise<void>;
  find(id: string): Promise<ReplayRow | undefined>;
  /** Newest first. */
  list(query: { after?: string; limit: number }): Promise<ReplayRow[]>;
  /** Oldest first. */
  running(): Promise<ReplayRow[]>;
  /** What is not made due yet never will be. Nothing happens to one that has ended. undefined if there is none. */
  cancel(id: string, at: number): Promise<ReplayRow | undefined>;
  /** One page of what it would take; the first with null. */
  count(what: ReplaySelection, cursor: string | null): Promise<ReplayCount>;
  /**
   * Makes the next deliveries due and moves the replay on, at most `most` of them. One that is owed already is passed
   * over, and so is one whose event is past retention. undefined if it does not run any more.
   */
  advance(
    id: string,
    chunk: { most: number; now: number; expiresAfterMs: number },
  ): Promise<ReplayChunk | undefined>;
}
