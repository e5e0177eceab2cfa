// GET /signin, /signin/callback, /signout · POST /signout: through the product's OpenID provider.
import type Router from '@koa/router';
import type { Context } from 'koa';
import { MortiseError } from '../../core/errors.ts';
import type { HostParts } from '../../host/parts.ts';
import { beginSignIn, finishSignIn, takeSignIn } from '../../host/sign-in.ts';
import { OidcProvider } from '../../oauth/oidc.ts';
import { readForm } from '../body.ts';
import { frameOf } from '../browser/frame.ts';
import { ownPath, signInPath } from '../browser/own-path.ts';
import { sendPage } from '../browser/page.ts';
import { requireOwnForm, sessionOf, signIn, signOut } from '../browser/session.ts';
import { NoticePage } from '../pages/notice-page.tsx';
import { asMortiseError } from '../problem.ts';

export function oidcRoutes(router: Router, parts: HostParts): void {
  const { signIn: client, isDev, currentUser, clock, log } = parts.settings;
  if (currentUser) return;
  if (!client) {
    if (!isDev) router.get('/signin', notConfigured);
    return;
  }
  const provider = new OidcProvider(client, clock, log);

  router.get('/signin', async (ctx) => {
    const returnTo = ownPath(String(ctx.query.return ?? ''));
    try {
      const { hash: sessionHash } = sessionOf(ctx);
      goTo(ctx, await beginSignIn({ sessionHash, returnTo }, provider, parts));
    } catch (error) {
      showFailure(ctx, error, returnTo, parts);
    }
  });
  router.get('/signin/callback', async (ctx) => {
    let returnTo = '';
    try {
      const state = String(ctx.query.state ?? '');
      const taken = await takeSignIn(sessionOf(ctx).hash, state, parts);
      returnTo = taken.returnTo;
      await signIn(ctx, await finishSignIn(ctx.search, taken, provider, parts), parts);
      goTo(ctx, ownPath(returnTo));
    } catch (error) {
      showFailure(ctx, error, returnTo, parts);
    }
  });
  router.post('/signout', async (ctx) => {
    requireOwnForm(ctx, sessionOf(ctx), await readForm(ctx), parts);
    await signOut(ctx, parts);
    // Not to the provider: it would sign the same person in again at once.
    goTo(ctx, '/signout');
  });
  router.get('/signout', (ctx) => {
    const { user } = sessionOf(ctx);
    if (user) return goTo(ctx, ownPath(''));
    sendPage(
      ctx,
      NoticePage({
        frame: frameOf(ctx, parts),
        title: 'You are signed out',
        message: 'You may still be signed in at the sign-in provider.',
        link: { href: '/signin', text: 'Sign in again' },
      }),
    );
  });
}

function notConfigured(): never {
  throw new MortiseError({
    code: 'sign_in_not_configured',
    status: 503,
    message: 'Sign-in is not configured on this host, so its pages are open to nobody.',
    hint: 'An operator sets MORTISE_OIDC_ISSUER, MORTISE_OIDC_CLIENT_ID, MORTISE_OIDC_CLIENT_SECRET and MORTISE_OIDC_OPERATOR_CLAIM; a product that embeds the host gives it currentUser.',
  });
}

function showFailure(ctx: Context, error: unknown, returnTo: string, parts: HostParts): void {
  const { status, message, hint } = asMortiseError(error, parts.settings.log);
  sendPage(
    ctx,
    NoticePage({
      frame: frameOf(ctx, parts),
      title: 'You were not signed in',
      message,
      hint,
      link: { href: signInPath(returnTo), text: 'Try again' },
      isFault: true,
    }),
    { status },
  );
}

function goTo(ctx: Context, to: string): void {
  ctx.redirect(to);
  ctx.status = 303;
  ctx.set('Cache-Control', 'no-store');
}
