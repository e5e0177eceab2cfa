// A request as it came in, before anything has parsed it.
import { AddonError } from './errors.ts';

export interface ReceivedRequest {
  method: string;
  /** Path and query as received: `req.url` in Node. */
  url: string;
  headers: Record<string, string | string[] | undefined>;
  /** The bytes as received. A body that was parsed and written again has other bytes, and no signature fits. */
  rawBody: Buffer | string;
}

export function headerOf(request: ReceivedRequest, name: string): string | undefined {
  const value = request.headers[name] ?? request.headers[name.toLowerCase()];
  return Array.isArray(value) ? value[0] : value;
}

/** @throws raw_body_missing naming the usual cause: a body parser that ran first */
export function bytesOf(request: ReceivedRequest): Buffer {
  const { rawBody } = request;
  if (Buffer.isBuffer(rawBody)) return rawBody;
  if (typeof rawBody === 'string') return Buffer.from(rawBody);
  throw new AddonError(
    'raw_body_missing',
    'rawBody must be the bytes as received, not a parsed object: a body parser has run before the verification. Keep the raw body (express.raw, koa raw-body) and parse it afterwards.',
    500,
  );
}

export function parseBody(bytes: Buffer): Record<string, unknown> {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    throw new AddonError('body_not_json', 'The body is not JSON.', 400);
  }
}
