// Middleware of all web pages: what is thrown becomes a page that says what happened and what to do.
import type { Context, Next } from 'koa';
import type { HostParts } from '../../host/parts.ts';
import { ErrorPage } from '../pages/error-page.tsx';
import { NoticePage } from '../pages/notice-page.tsx';
import { asMortiseError } from '../problem.ts';
import { frameOf } from './frame.ts';
import { signInPath } from './own-path.ts';
import { sendPage } from './page.ts';
import { browserSession } from './session.ts';

export function pages(parts: HostParts) {
  return async (ctx: Context, next: Next): Promise<void> => {
    try {
      ctx.state.session = await browserSession(ctx, parts);
      await next();
    } catch (error) {
      const known = asMortiseError(error, parts.settings.log);
      sendPage(ctx, ErrorPage({ frame: frameOf(ctx, parts), error: known }), {
        status: known.status,
      });
    }
  };
}

/** Where people sign in; they come back to the page they wanted, or after a form to the one it belongs to. */
export function toSignIn(
  ctx: Context,
  parts: HostParts,
  afterForm = '/account/authorizations',
): void {
  const { signInUrl, currentUser, baseUrl, signIn } = parts.settings;
  const returnTo = ctx.method === 'GET' ? ctx.originalUrl : afterForm;
  if (signInUrl) ctx.redirect(signInUrl(baseUrl + returnTo));
  else if (currentUser) {
    sendPage(
      ctx,
      ErrorPage({
        frame: frameOf(ctx, parts),
        error: {
          message: 'You are not signed in.',
          hint: `Sign in to ${parts.settings.platform.name}, then open this page again.`,
        },
      }),
      { status: 401 },
    );
    return;
  } else if (signIn && ctx.method !== 'GET') {
    // Chromium holds form-action against redirects: from a form the way to the provider is a link.
    sendPage(
      ctx,
      NoticePage({
        frame: frameOf(ctx, parts),
        title: 'You are not signed in',
        message: 'Your sign-in is over, so nothing was done.',
        link: { href: signInPath(returnTo), text: 'Sign in again' },
        isFault: true,
      }),
      { status: 401 },
    );
    return;
  } else ctx.redirect(signInPath(returnTo));
  ctx.status = 303;
}
