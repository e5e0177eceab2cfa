// Time is injected so that tests can move it. Everything stored is milliseconds since 1970, UTC.

export interface Clock {
  /** Milliseconds since 1970, UTC; whole ones. */
  now(): number;
  /** Resolves when `now` may be relied on. Without it, that is always so. */
  ready?(): Promise<void>;
}

export const systemClock: Clock = { now: () => Date.now() };

/** JWT and OAuth times are whole seconds (RFC 7519 section 2, NumericDate). */
export function toSeconds(ms: number): number {
  return Math.floor(ms / 1000);
}

export function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}
