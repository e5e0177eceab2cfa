// Which process does what: one for all, or each its share.
import type { OwedLane } from './delivery-store.ts';
import type { OwedDelivery } from './rows.ts';

export interface EngineStore {
  /** The right to do for all what one process does; undefined if another has it. */
  tryLock(): Promise<EngineLock | undefined>;
  /** A share of what is to be sent; undefined if another process has all of it, and keeps it. */
  tryShare(): Promise<Share | undefined>;
  /** Whether others have left something to do for all since the last call; cheap, and asked many times a second. */
  hasForeignChanges(): Promise<boolean>;
  /** Makes room for what comes in the next day, and lets go of whole days that are past retention. */
  turnDays(now: number, retention: { events: number; attempts: number }): Promise<DroppedDay[]>;
  /**
   * Lets go, in many short transactions, of rows that nothing can ask for any more: keys and tokens that expired more
   * than a day before `now`, and of what came before `loggedSince`, handshakes and calls that have ended.
   */
  sweep(now: number, loggedSince: number): Promise<Swept>;
}

/** Held until it is released, the process ends, or it is lost. */
export interface EngineLock {
  /** Synchronous: false as soon as another process may have it. */
  isHeld(): boolean;
  /** Resolves when it is not held any more, though nobody has released it. */
  readonly lost: Promise<void>;
  release(): Promise<void>;
}

/**
 * The installations to which this process sends, and the events that it fans out. Who shares with it, and how, only the
 * store knows; it changes while processes come and go.
 */
export interface Share extends EngineLock {
  /**
   * Names how long the store has kept all that was committed: what was read for this share is sent in no other. undefined:
   * it never forgets.
   */
  readonly lifetime: string | undefined;
  /** Synchronous: whether anything may begin for this installation. Once it may not, another will soon. */
  includes(installationId: string): boolean;
  /** Of 256 parts. */
  readonly size: number;
  /** Takes what is free; when it resolves, the sender knows what is owed there. */
  start(sender: Sender): Promise<void>;
  /** What others have left to do in it since the last call; undefined: nothing. Cheap, and asked many times a second. */
  lookForWork(): Promise<FoundWork | undefined>;
  /** Hands it over, part by part as nothing is under way there any more; the rest when `drained` resolves. */
  release(drained?: Promise<void>): Promise<void>;
}

export interface FoundWork {
  /** What others have made due. It may have been read from the table before. */
  owed: OwedDelivery[];
  /** To whom others have made due what is not among it. */
  installationIds: string[];
  /** There is something to fan out, or somebody has recovered; perhaps. */
  hasMore: boolean;
}

/** Who sends for a share, and hears of its changes. */
export interface Sender {
  /** What is owed in a part that it has taken. */
  taken(lanes: OwedLane[]): void;
  /** Some of it is to be handed over: what was not begun there is not its own any more. */
  letGo(): void;
  /** Installations that are not of the share, for which something is under way or not recorded. */
  lingering(): string[];
  /** Word of something owed was lost on the way: it is to be looked for. */
  mayOweMore(): void;
}

/** `YYYYMMDD`, UTC; 00000000: from before there were days. */
export interface DroppedDay {
  kind: 'events' | 'attempts';
  day: string;
}

/** Rows, by table, where there were any. */
export type Swept = Record<string, number>;
