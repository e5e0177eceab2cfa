import { derivedIdAt } from '../core/ids.ts';

/**
 * The id under which a delivery is sent again as a new one: the same whenever this replay comes to it.
 * @param eventAt milliseconds since 1970; ids begin with it
 */
export function replayedId(replayId: string, deliveryId: string, eventAt: number): string {
  return derivedIdAt(eventAt, replayId, deliveryId);
}
