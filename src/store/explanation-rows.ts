// What is known of why an event was told to an installation or was not. Times are milliseconds since 1970.
import type {
  DeliveryState,
  EventRow,
  GrantRow,
  InstallationRow,
  LaneState,
  WebhookRow,
  Withheld,
} from './rows.ts';

export type ExplainedEvent = Pick<EventRow, 'id' | 'type' | 'context' | 'resource' | 'createdAt'>;

/** In force from `since` up to, and not at, `until`. */
export interface Period {
  since: number;
  until: number | null;
}

/** While there is none in force, it is not installed. */
export interface StatePeriod extends Period {
  state: 'enabled' | 'disabled';
}

/** What has become of an event for one installation, in short. */
export interface ToldOf {
  installationId: string;
  /** Of each delivery. */
  states: DeliveryState[];
  /** It is going to be owed: the fan-out has not come to it yet. */
  isFanOutAhead: boolean;
}

/** Everything that explains it for one installation; logs are oldest first. */
export interface ToldFacts {
  installation: InstallationRow;
  states: StatePeriod[];
  /** Its own, each with its time; not those under which it acts as a user. */
  grants: GrantRow[];
  /** One webhook has as many rows as it has times. */
  webhooks: WebhookRow[];
  /** Since when it is subscribed to the event's type, under what stands now. */
  subscribedSince: number | null;
  deliveries: ToldDelivery[];
  lane: LaneState | undefined;
  isFanOutAhead: boolean;
}

export interface ToldDelivery {
  id: string;
  webhookId: string;
  state: DeliveryState;
  attempts: number;
  /** While it is owed. */
  dueAt: number | null;
  expiresAt: number | null;
  /** The event of the same order that goes before. */
  behind: string | null;
  /** The attempt that ended it; while it is owed, the last one. Null before the first, or past retention. */
  last: LastAttempt | null;
  /** Of what was sent last. */
  withheld: Withheld[];
}

export interface LastAttempt {
  number: number;
  at: number;
  status: number | null;
  reason: string | null;
  message: string | null;
}
