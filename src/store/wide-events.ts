// An event that more are told of than one transaction should make deliveries for.

/** How many deliveries one transaction makes, so that it stays short. */
export const DELIVERIES_PER_CHUNK = 500;

/** Without the last installation, whose webhooks may not all be there: a descriptor declares fewer than a chunk has. */
export function wholeInstallations<T>(told: T[], installationOf: (row: T) => string): T[] {
  const last = installationOf(told.at(-1)!);
  const whole = told.filter((row) => installationOf(row) !== last);
  return whole.length > 0 ? whole : told;
}
