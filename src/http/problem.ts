// Anything thrown behind our doors becomes a problem document; what is not ours to say goes to the log only.
import type { Context, Next } from 'koa';
import { MortiseError } from '../core/errors.ts';
import type { Logger } from '../core/log.ts';
import { writeProblem } from '../core/problem.ts';

export function problems(log: Logger) {
  return async (ctx: Context, next: Next): Promise<void> => {
    try {
      await next();
    } catch (error) {
      writeProblem(ctx, asMortiseError(error, log));
    }
    // A door that may be kept has said so itself; a fault never may.
    if (!ctx.response.get('Cache-Control') || ctx.status >= 400)
      ctx.set('Cache-Control', 'no-store');
    ctx.set('X-Content-Type-Options', 'nosniff');
  };
}

export function asMortiseError(error: unknown, log: Logger): MortiseError {
  if (error instanceof MortiseError && error.status < 500) return error;
  const isTold = error instanceof MortiseError && [502, 503].includes(error.status);
  const isOfDatabase = isTold && /^(database|store)_/.test(error.code);
  if (isTold && !isOfDatabase) return error;
  log.error({ err: error }, 'a request failed inside the host');
  // Of a database anybody may know that it cannot be used; where it is, and what is wrong with it, the log says.
  if (isOfDatabase) {
    return new MortiseError({
      code: error.code.replace(/^database_.*/, 'store_unusable'),
      status: 503,
      message:
        'The host cannot use its database now, so it is not certain that this call took effect.',
      hint: "Try again later: what is published again under the same idempotency key is done once. The host's log says why.",
      cause: error,
    });
  }
  return new MortiseError({
    code: 'internal_error',
    status: 500,
    message: 'The host failed while it answered this call.',
    hint: 'Its log says why. Look whether the call took effect before you repeat it.',
    cause: error,
  });
}

export function notFound(what: string, hint: string): MortiseError {
  return new MortiseError({ code: 'not_found', status: 404, message: what, hint });
}
