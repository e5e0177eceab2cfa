// Replays as they are stored, as the layers above see them. Times are milliseconds since 1970.
import type { DeliveryState } from './rows.ts';

/**
 * Whose grants count. `then-and-now`: what was owed to it then, as far as today's gate lets it pass. `now`: also what
 * was not granted or subscribed then, if it is now.
 */
export type ReplayAllowed = 'then-and-now' | 'now';

export type EndedState = Exclude<DeliveryState, 'pending' | 'retrying'>;

/** Which deliveries a replay takes. */
export interface ReplaySelection {
  /** This one alone; the rest says nothing then. */
  deliveryId: string | null;
  installationId: string | null;
  eventType: string | null;
  eventId: string | null;
  /** When the event was published, from and up to. */
  since: number | null;
  until: number;
  /** How it ended last. What was never owed has not ended: `now` takes it whatever stands here. */
  outcomes: EndedState[];
  allowed: ReplayAllowed;
}

/** A replay that is asked for. */
export interface NewReplay extends ReplaySelection {
  id: string;
  /** Each is sent under a `webhook-id` of its own, for add-ons that would take the old one for a repetition. */
  newIds: boolean;
  perSecond: number;
  /** How many it takes, and how many of them were delivered before; as counted when it was asked for. */
  total: number;
  alreadyDelivered: number;
  createdAt: number;
}

export interface ReplayRow extends NewReplay {
  state: 'running' | 'done' | 'cancelled';
  /** Made due so far. */
  done: number;
  /** Passed over: owed already. */
  skippedOwed: number;
  /** Passed over: their events are past retention. */
  skippedExpired: number;
  /** What came of those done, so far. */
  delivered: number;
  failed: number;
  dropped: number;
  endedAt: number | null;
}

/** One page of what a replay takes. */
export interface ReplayCount {
  count: number;
  alreadyDelivered: number;
  skippedOwed: number;
  skippedExpired: number;
  /** Where the next page begins; null: there is no more. */
  cursor: string | null;
}

/** What one chunk has done. */
export interface ReplayChunk {
  /** To whom something was made due. */
  installationIds: string[];
  done: number;
  isOver: boolean;
}
