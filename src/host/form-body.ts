// The body of a signed request, where the signature covers it (RFC 5849 section 3.4.1.3.1): a form. Read here, before the
// product does, and left for it.
import { parse } from 'node:querystring';
import type { Context } from 'koa';
import getRawBody from 'raw-body';
import { MortiseError } from '../core/errors.ts';

/** As large as JSON bodies may be; it is read before the caller is known. */
const MOST_FORM_BYTES = 1024 * 1024;

/**
 * Leaves the text as ctx.request.rawBody and, for body parsers behind the guard, the fields as ctx.request.body, which
 * they take as done. A parser before the guard must have left rawBody, as @koa/bodyparser does.
 * @returns undefined for other types: they are not signed, and nothing is read.
 * @throws payload_too_large, body_unreadable, signed_body_gone
 */
export async function readFormBody(ctx: Context): Promise<string | undefined> {
  if (!ctx.is('application/x-www-form-urlencoded')) return undefined;
  const request = ctx.request as Context['request'] & { rawBody?: string; body?: unknown };
  if (request.rawBody !== undefined) return request.rawBody;
  if (ctx.req.readableEnded) {
    throw new MortiseError({
      code: 'signed_body_gone',
      status: 500,
      message: 'The body of a signed request was read before the guard, and its text was not kept.',
      hint: 'Put the guard before the body parser, or keep the text as ctx.request.rawBody.',
    });
  }
  try {
    request.rawBody = await getRawBody(ctx.req, {
      limit: MOST_FORM_BYTES,
      length: ctx.request.length,
      encoding: 'utf8',
    });
  } catch (cause) {
    // What follows on this connection would be the rest of the body.
    ctx.set('Connection', 'close');
    ctx.req.resume();
    const isLarge = (cause as { type?: string }).type === 'entity.too.large';
    throw new MortiseError({
      code: isLarge ? 'payload_too_large' : 'body_unreadable',
      status: isLarge ? 413 : 400,
      message: isLarge
        ? `A signed form may have ${MOST_FORM_BYTES} bytes; nothing was done.`
        : 'The body could not be read to its end.',
      cause,
    });
  }
  request.body = parse(request.rawBody, '&', '=', { maxKeys: 0 });
  return request.rawBody;
}
