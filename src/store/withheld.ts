import type { Withheld } from './rows.ts';

/** As the log keeps it: JSON, or nothing. */
export function readWithheld(json: string | null): Withheld[] {
  return json === null ? [] : JSON.parse(json);
}
