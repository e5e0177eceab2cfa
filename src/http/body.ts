// Request bodies, read raw and bounded. JSON keeps its positions; forms are flat: a name is a name.
import type { Context } from 'koa';
import getRawBody from 'raw-body';
import { MortiseError } from '../core/errors.ts';
import { type JsonSource, parseJson } from '../core/json-source.ts';

/** An event's payload of 1 MiB and what stands around it. */
const MOST_JSON_BYTES = 1_200_000;
const MOST_BATCH_BYTES = 16 * 1024 * 1024;
const MOST_FORM_BYTES = 64 * 1024;

/** @throws body_not_json (415), payload_too_large (413), json_… (400) */
export async function readJson(ctx: Context): Promise<JsonSource> {
  const source = parseJson(await readJsonText(ctx));
  if ('fault' in source) throw badJson(source.fault);
  return source;
}

/** The value alone, where nobody needs to know a line. */
export async function readJsonObject(ctx: Context): Promise<Record<string, unknown>> {
  const text = await readJsonText(ctx);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    const source = parseJson(text);
    throw badJson(
      'fault' in source ? source.fault : { code: 'json_syntax', message: 'This is not JSON.' },
    );
  }
  return requireObject(value);
}

/** No body at all is an empty object. */
export async function readOptionalJsonObject(ctx: Context): Promise<Record<string, unknown>> {
  const { length } = ctx.request;
  const hasBody = ctx.get('transfer-encoding') !== '' || (length ?? 0) > 0;
  return hasBody ? readJsonObject(ctx) : {};
}

export function requireObject(value: unknown): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>;
  throw new MortiseError({
    code: 'body_not_object',
    status: 400,
    message: 'The body must be a JSON object.',
  });
}

/** One JSON value a line (NDJSON); empty lines are passed over. @throws json_… naming the line */
export async function readNdjson(ctx: Context): Promise<{ value: unknown; line: number }[]> {
  const text = await readText(ctx, MOST_BATCH_BYTES);
  return text.split('\n').flatMap((row, i) => {
    if (row.trim() === '') return [];
    try {
      return [{ value: JSON.parse(row), line: i + 1 }];
    } catch {
      const source = parseJson(row);
      const fault =
        'fault' in source ? source.fault : { code: 'json_syntax', message: 'This is not JSON.' };
      throw badJson({ ...fault, line: i + 1 });
    }
  });
}

/**
 * application/x-www-form-urlencoded. @throws invalid_request if a parameter is repeated (RFC 6749 section 3.2)
 */
export async function readForm(ctx: Context): Promise<ReadonlyMap<string, string>> {
  if (!ctx.is('application/x-www-form-urlencoded')) {
    throw new MortiseError({
      code: 'invalid_request',
      status: 400,
      message: 'The body must be application/x-www-form-urlencoded.',
    });
  }
  const parameters = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(await readText(ctx, MOST_FORM_BYTES))) {
    if (parameters.has(name)) {
      throw new MortiseError({
        code: 'invalid_request',
        status: 400,
        message: `"${name}" is sent twice.`,
      });
    }
    parameters.set(name, value);
  }
  return parameters;
}

async function readJsonText(ctx: Context): Promise<string> {
  if (!ctx.is('json', '+json')) {
    throw new MortiseError({
      code: 'body_not_json',
      status: 415,
      message: `The body must be JSON; it is ${ctx.request.length === 0 || ctx.request.length === undefined ? 'empty' : ctx.get('content-type') || 'of no declared type'}.`,
      hint: 'Send "Content-Type: application/json".',
    });
  }
  return readText(ctx, MOST_JSON_BYTES);
}

async function readText(ctx: Context, limit: number): Promise<string> {
  try {
    // A length announced beyond the limit is refused before a byte is read.
    return await getRawBody(ctx.req, { limit, length: ctx.request.length, encoding: 'utf8' });
  } catch (error) {
    if ((error as { type?: string }).type === 'entity.too.large') {
      // What follows on this connection would be the rest of the body.
      ctx.set('Connection', 'close');
      ctx.req.resume();
      throw new MortiseError({
        code: 'payload_too_large',
        status: 413,
        message: `The body is larger than ${limit} bytes; nothing was done.`,
      });
    }
    throw new MortiseError({
      code: 'body_unreadable',
      status: 400,
      message: 'The body could not be read to its end.',
      cause: error,
    });
  }
}

function badJson(fault: {
  code: string;
  message: string;
  hint?: string;
  line?: number;
  column?: number;
}): MortiseError {
  const place = fault.line === undefined ? '' : ` (line ${fault.line}, column ${fault.column})`;
  return new MortiseError({
    code: fault.code,
    status: 400,
    message: `The body cannot be read as JSON${place}: ${fault.message}`,
    hint: fault.hint,
  });
}
