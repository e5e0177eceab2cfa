// W3C Trace Context (https://www.w3.org/TR/trace-context/): one trace from the product's request to the add-on's.

/** Section 3.2.2: version, trace id, parent id, flags, in lower case. Later versions may say more after a dash. */
const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?$/;

/**
 * The trace id of a `traceparent`; undefined where it is absent or invalid, which is no error: the trace begins anew
 * (section 3.2.2.2, 4.3).
 */
export function traceIdOf(traceparent: unknown): string | undefined {
  if (typeof traceparent !== 'string') return undefined;
  const [, version, traceId, parentId, more] = TRACEPARENT.exec(traceparent.trim()) ?? [];
  if (version === undefined || version === 'ff') return undefined;
  if (version === '00' && more !== undefined) return undefined;
  if (/^0+$/.test(traceId!) || /^0+$/.test(parentId!)) return undefined;
  return traceId;
}

/** The trace an event is part of: the one it came with, or one of its own, whose id is the event's. */
export function traceOf(event: { id: string; traceId: string | null }): string {
  return event.traceId ?? event.id.replaceAll('-', '');
}

/**
 * The span of one attempt, found again from what the log keeps of it: what is random in the delivery's id, a UUID, and
 * the time. Never zero (section 3.2.2.4), since a UUID's variant is not.
 * @param at when it began, ms since 1970
 */
export function spanOf(deliveryId: string, at: number): string {
  const low = (Number.parseInt(deliveryId.slice(28), 16) ^ at) >>> 0;
  return deliveryId.slice(19, 23) + deliveryId.slice(24, 28) + low.toString(16).padStart(8, '0');
}

/** Always sampled: who receives one webhook decides for itself. */
export function traceparentOf(traceId: string, spanId: string): string {
  return `00-${traceId}-${spanId}-01`;
}
