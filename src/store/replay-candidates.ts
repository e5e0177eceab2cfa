// What a replay takes, and how far it has looked.
import type { EndedState } from './replay-rows.ts';

/** What is sent again. */
export interface Candidate {
  /** Under which it was owed; of what never was, under which it would have been. */
  id: string;
  installationId: string;
  webhookId: string;
  eventId: string;
  eventType: string;
  eventAt: number;
  eventSeq: number;
  orderingKey: string | null;
  outcome: EndedState | null;
}

export interface Scanned {
  take: Candidate[];
  owed: number;
  expired: number;
  /** null: that was the last page. */
  cursor: string | null;
}

/**
 * Where a page begins: after a delivery of the log, or after a webhook's part of an event. SQLite's names the event's
 * day there, in whose order it goes.
 */
export type Cursor =
  | ['log', string]
  | ['events', day: string, seq: number, installationId: string, webhookId: string];
