// What the engine and the threads that make its attempts tell each other: many at once, since a message costs more than
// what is in it.
import type { AskedTuple, EventTuple, MadeTuple } from './attempt-tuples.ts';

/** Attempts to make, now. */
export interface Asked {
  attempts: AskedTuple[];
  /** Events of theirs that need not be read. */
  events: EventTuple[];
  /** The payloads of those, one after the other. */
  payloads: ArrayBuffer;
}

export type Told =
  /** It has started. */
  | { kind: 'ready' }
  | { kind: 'made'; results: MadeTuple[] }
  | { kind: 'broken'; ticket: number; fault: Fault; traceId: string | undefined }
  | { kind: 'settled' }
  | { kind: 'origin'; installationId: string; origin: string }
  | { kind: 'undeclared'; eventType: string; pointers: string[] };

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
