// How long ago something was, by both clocks: the one stands still while a machine sleeps, the other may be set.

export interface Moment {
  steady: number;
  wall: number;
}

export const NEVER: Moment = { steady: Number.NEGATIVE_INFINITY, wall: Number.NEGATIVE_INFINITY };

export function now(): Moment {
  return { steady: performance.now(), wall: Date.now() };
}

/** In milliseconds, by the clock that went further. */
export function elapsed({ steady, wall }: Moment): number {
  return Math.max(performance.now() - steady, Date.now() - wall);
}
