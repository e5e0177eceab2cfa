// The body of a webhook, in the shape the platform chose.
import { isoTime } from '../core/clock.ts';
import type { BodyShape } from '../platform/definition.ts';

export function envelope(
  shape: BodyShape,
  event: { type: string; createdAt: number },
  data: unknown,
): Buffer {
  switch (shape) {
    case 'payload':
      return Buffer.from(JSON.stringify(data));
    case 'connect':
      return Buffer.from(JSON.stringify({ event: event.type, data }));
    case 'standard':
      return Buffer.from(
        JSON.stringify({ type: event.type, timestamp: isoTime(event.createdAt), data }),
      );
  }
}
