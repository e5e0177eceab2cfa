// When to try again: pure, so that a table of rows can test it.

/** The longest wait before try 2, 3, …: 12 tries, at most about two days. */
export const RETRY_CAPS_MS: readonly number[] = [
  10_000,
  60_000,
  5 * 60_000,
  20 * 60_000,
  3_600_000,
  2 * 3_600_000,
  4 * 3_600_000,
  8 * 3_600_000,
  8 * 3_600_000,
  12 * 3_600_000,
  12 * 3_600_000,
];

export const MAX_ATTEMPTS = RETRY_CAPS_MS.length + 1;

const SHORTEST_MS = 1_000;

/**
 * Full jitter: uniform between one second and the cap of this step, so that endpoints that failed
 * together do not come back together.
 * @param attempt the attempt that just failed, from 1.
 * @param random a number in [0, 1).
 * @returns milliseconds to wait, or undefined when there is no further attempt.
 */
export function retryDelayMs(attempt: number, random: number): number | undefined {
  const cap = RETRY_CAPS_MS[attempt - 1];
  return cap === undefined ? undefined : Math.round(SHORTEST_MS + random * (cap - SHORTEST_MS));
}

const RETRY_AFTER_MAX_MS = 24 * 3_600_000;

/** IMF-fixdate and the form of RFC 850; Date.parse alone finds a date in almost any text. */
const HTTP_DATE = /^[A-Z][a-z]+, \d\d[ -][A-Z][a-z]{2}[ -]\d{2,4} \d\d:\d\d:\d\d GMT$/;

/**
 * `Retry-After` (RFC 9110 section 10.2.3) in seconds or as a date, at most a day.
 * @returns milliseconds from now, or undefined when absent, past or unreadable.
 */
export function retryAfterMs(header: string | undefined, now: number): number | undefined {
  if (header === undefined) return undefined;
  const text = header.trim();
  const wait = /^\d+$/.test(text)
    ? Number(text) * 1000
    : HTTP_DATE.test(text)
      ? Date.parse(text) - now
      : Number.NaN;
  return Number.isFinite(wait) && wait > 0 ? Math.min(wait, RETRY_AFTER_MAX_MS) : undefined;
}
