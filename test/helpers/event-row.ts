import { newId } from '../../src/core/ids.ts';
import type { EventRow } from '../../src/store/rows.ts';

/** One of nobody's interest, as far as nothing else is said. */
export function eventRow(own: Partial<EventRow> = {}): EventRow {
  const createdAt = own.createdAt ?? Date.now();
  return {
    id: newId(createdAt),
    type: 'repo:push',
    context: 'acme',
    resource: null,
    actor: null,
    orderingKey: null,
    traceId: null,
    payload: Buffer.from('{}'),
    createdAt,
    idempotency: null,
    ...own,
  };
}
