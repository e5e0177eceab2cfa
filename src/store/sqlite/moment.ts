/**
 * How old what the gate sees may be, in milliseconds. A commit that changes it is answered later than that, so that
 * nothing starts after the answer.
 */
export const MOMENT_MS = 2;
