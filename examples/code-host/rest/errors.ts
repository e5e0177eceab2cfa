// Errors of the REST API in Bitbucket's shape.
import type { Context, Middleware } from 'koa';
import type { MortiseError } from 'mortise';

export function bitbucketError(
  ctx: Context,
  status: number,
  message: string,
  detail?: unknown,
): void {
  ctx.status = status;
  ctx.body = { type: 'error', error: { message, ...(detail !== undefined && { detail }) } };
}

/** A fault of the product itself: told to whoever runs it, not to the caller. */
export const answerFault: Middleware = async (ctx, next) => {
  try {
    await next();
  } catch (error) {
    bitbucketError(ctx, 500, 'Something went wrong.');
    ctx.app.emit('error', error, ctx);
  }
};

/** What Mortise's guard refuses: the required and the granted scopes are named. */
export function answerRefusal(ctx: Context, error: MortiseError): void {
  if (!ctx.path.startsWith('/2.0/')) {
    ctx.body = `${error.message} ${error.hint ?? ''}\n`;
    return;
  }
  const { required, granted } = error.extensions;
  const message =
    required === undefined
      ? `${error.message} ${error.hint ?? ''}`
      : 'Your credentials lack one or more required privilege scopes.';
  bitbucketError(
    ctx,
    error.status,
    message,
    required === undefined ? undefined : { required, granted },
  );
}
