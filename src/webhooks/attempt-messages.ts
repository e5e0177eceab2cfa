// What the engine and the threads that make its attempts tell each other: many at once, since a message costs more than
// what is in it.
import type { EventRow } from '../store/rows.ts';
import type { AskedAttempt, Attempted } from './attempt.ts';

/** Attempts to make, now. */
export interface Asked {
  attempts: ({ ticket: number } & AskedAttempt)[];
  /** Events of theirs that need not be read. */
  events: SentEvent[];
  /** The payloads of those, one after the other. */
  payloads: ArrayBuffer;
}

export interface SentEvent {
  row: Omit<EventRow, 'payload'>;
  scopesToSeeAll: string[] | undefined;
  /** Where its payload is, in bytes. */
  from: number;
  to: number;
}

export type Told =
  | { kind: 'made'; results: Made[] }
  | { kind: 'settled' }
  | { kind: 'origin'; installationId: string; origin: string }
  | { kind: 'undeclared'; eventType: string; pointers: string[] };

/** What came of one attempt. The delivery itself is known to whoever asked. */
export type Made = { ticket: number } & (
  | { attempted: Omit<Attempted, 'record'> & { record: Omit<Attempted['record'], 'delivery'> } }
  | { fault: Fault; traceId: string | undefined }
);

/** What is to be known of an error: sent as one, it would lose its code. */
export interface Fault {
  message: string;
  stack: string | undefined;
  code: unknown;
  hint: unknown;
}

/** Asks for `settled`, in turn: what the gate sees from then on is of after the question. */
export const SETTLE = 'settle';
/** Sent when no attempt is under way: end. */
export const CLOSE = 'close';
