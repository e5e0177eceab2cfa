// One published event, or why it is not there any more.
import { MortiseError } from '../core/errors.ts';
import { timeOf } from '../core/ids.ts';
import type { EventRow } from '../store/rows.ts';
import type { HostParts } from './parts.ts';

/** @throws not_found (404), event_expired (410) */
export async function getEvent(id: string, { store }: HostParts): Promise<EventRow> {
  const event = await store.events.find(id);
  if (event) return event;
  const publishedAt = timeOf(id);
  if (publishedAt !== undefined) {
    // The log of what was sent of it may be kept for longer.
    const { items } = await store.deliveries.list({ eventId: id, limit: 1 });
    if (items.length > 0) throw expiredWithLog(id);
    if (publishedAt < (await store.events.forgottenBefore())) throw expired(id);
  }
  throw new MortiseError({
    code: 'not_found',
    status: 404,
    message: `There is no event "${id}".`,
    hint: 'An event is known by the id that publishing it answered.',
  });
}

function expiredWithLog(id: string): MortiseError {
  const deliveries = `/operator/v1/deliveries?event=${encodeURIComponent(id)}`;
  return new MortiseError({
    code: 'event_expired',
    status: 410,
    message: `The event "${id}" is past its retention; the log of its deliveries is still kept.`,
    hint: `GET ${deliveries}`,
    extensions: { deliveries },
  });
}

function expired(id: string): MortiseError {
  return new MortiseError({
    code: 'event_expired',
    status: 410,
    message: `If there was an event "${id}", it is past its retention, and nothing of its deliveries is in the log.`,
  });
}
