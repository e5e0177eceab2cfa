// How long stays what nobody needs any more.

const DAY_MS = 24 * 3_600_000;

/** What has expired stays a day, so that "expired" can be told from "unknown". */
export const KEEP_EXPIRED_MS = DAY_MS;
/** A replay that has ended stays until what it owed is past retention too: owed for three days, kept by whole ones. */
export const KEEP_ENDED_REPLAY_MS = 4 * DAY_MS;
