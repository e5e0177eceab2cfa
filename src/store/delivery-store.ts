// What is owed, what the gate asks, and what came of it.
import type { Clock } from '../core/clock.ts';
import type { OwedEventStore } from './event-store.ts';
import type {
  AttemptRecord,
  Delivery,
  DeliveryFilter,
  DeliveryHealth,
  DeliveryView,
  LaneState,
  LifecycleCall,
  OwedDelivery,
  Page,
  Recipient,
} from './rows.ts';

/** What the gate asks. */
export interface GateStore {
  /** Installation, grant and webhooks as they are at this moment. */
  recipient(installationId: string): Promise<Recipient | undefined>;
  /**
   * Synchronous by contract: whether nothing the gate looked at has changed since `epoch` was read. What was answered
   * to whoever changed it is never overlooked. False also where that is not certain: after `recipient` it is.
   */
  isCurrent(installationId: string, epoch: number): boolean;
}

export interface DeliveryStore extends GateStore {
  /** Every installation of this process's share that is owed something. */
  lanes(): Promise<OwedLane[]>;
  /**
   * The head of one installation's queue: what is due, oldest first, and when to look again: when the next one is due, or
   * sooner; undefined: nothing else is owed. Of the events of one order only the first that is owed.
   */
  window(
    installationId: string,
    now: number,
    limit: number,
  ): Promise<{ due: OwedDelivery[]; nextDueAt: number | undefined }>;
  /** Group commit of what came of attempts: delete what is done, move what is retried, keep the log. */
  record(results: Results): Promise<void>;
  /** Ends up to `limit` deliveries of an installation without sending them, each with an attempt numbered 0. @returns how many */
  endUnsent(
    installationId: string,
    because: { reason: string; message: string; at: number },
    which: Unsendable,
    limit: number,
  ): Promise<number>;
  /** How it fares with one installation. */
  health(installationId: string): Promise<DeliveryHealth>;
  find(id: string): Promise<DeliveryView | undefined>;
  list(filter: DeliveryFilter): Promise<Page<Delivery>>;
}

export interface OwedLane {
  installationId: string;
  /** The earliest time at which something is due. */
  dueAt: number;
  /** How its endpoint fares; undefined: well. */
  state: LaneState | undefined;
}

/** Which deliveries of an installation; everything where nothing is said. */
export interface Unsendable {
  /** None, if the installation has changed since. */
  epoch?: number;
  /** Owed for too long by then. */
  expiredBefore?: number;
  /** Events up to this number, to this webhook. */
  eventsUpTo?: number;
  webhookId?: string;
  /** Not what a replay owes that asks nothing of then. */
  sparesNow?: boolean;
}

/** What is recorded in one transaction. */
export interface Results {
  attempts: AttemptRecord[];
  /** How these endpoints fare now. */
  lanes?: LaneState[];
  /** Lifecycle calls that tell add-ons of it. */
  calls?: LifecycleCall[];
  /** It was asked for before and failed: where a commit may have been made unheard, what is there is not written again. */
  isRepeated?: boolean;
}

/** What a thread that makes attempts reads, over a connection of its own. */
export interface AttemptStore {
  events: OwedEventStore;
  gate: GateStore;
  /** As of the store. */
  clock: Clock;
  close(): Promise<void>;
}
