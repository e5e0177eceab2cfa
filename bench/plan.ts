// How long everything is measured.
import type { Subject } from './rounds.ts';

export interface Plan {
  isQuick: boolean;
  /** Temporary, gone when the benchmarks end. */
  folder: string;
  /** After this no further round of a row begins. */
  rowLimitMs: number;
}

/** A row of the results, ready to be measured. */
export interface Row extends Subject {
  close(): unknown;
}

/** @throws Skipped */
export type OpenRow = (plan: Plan) => Promise<Row>;

/** Of rows that need no other process: many short rounds. */
export function inProcess({ isQuick }: Plan): { rounds: number; milliseconds: number } {
  return isQuick ? { rounds: 5, milliseconds: 100 } : { rounds: 15, milliseconds: 250 };
}

/** Something that a row needs is not on this machine; the message says what to do. */
export class Skipped extends Error {}
