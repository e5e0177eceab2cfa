import type { EndedState } from '../../src/store/replay-rows.ts';

/** A replay of what failed and of all that was never owed, as far as it is allowed today. */
export const EVERYTHING = {
  deliveryId: null,
  installationId: null,
  eventType: null,
  eventId: null,
  since: null,
  outcomes: ['failed', 'dropped'] as EndedState[],
  allowed: 'now' as const,
  newIds: false,
  perSecond: 100,
  total: 0,
  alreadyDelivered: 0,
};
