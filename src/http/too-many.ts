import type { Context } from 'koa';
import { MortiseError } from '../core/errors.ts';
import type { RateLimit } from '../core/rate-limit.ts';

/** Counts one call of `name`. @throws too_many_requests (429), with Retry-After */
export function refuseTooMany(ctx: Context, limit: RateLimit, name: string): void {
  const seconds = limit.hit(name);
  if (seconds === undefined) return;
  ctx.set('Retry-After', String(seconds));
  throw new MortiseError({
    code: 'too_many_requests',
    status: 429,
    message: 'This was asked for too often in the last minute; nothing was done.',
    hint: `Try again in ${seconds} seconds.`,
  });
}
