// The body of a webhook, in the shape the platform chose.
import { isoTime } from '../core/clock.ts';
import type { BodyShape } from '../platform/definition.ts';

/** @param data the payload, as JSON. */
export function envelope(
  shape: BodyShape,
  event: { type: string; createdAt: number },
  data: Buffer,
): Buffer {
  switch (shape) {
    case 'payload':
      return data;
    case 'connect':
      return around(data, `{"event":${JSON.stringify(event.type)},"data":`);
    case 'standard': {
      const timestamp = isoTime(event.createdAt);
      return around(
        data,
        `{"type":${JSON.stringify(event.type)},"timestamp":"${timestamp}","data":`,
      );
    }
  }
}

function around(data: Buffer, before: string): Buffer {
  return Buffer.concat([Buffer.from(before), data, CLOSING]);
}

const CLOSING = Buffer.from('}');
