// GET, POST /signin · POST /signout: development only, where the product offers no sign-in at all.
import type Router from '@koa/router';
import { MortiseError } from '../../core/errors.ts';
import type { HostParts } from '../../host/parts.ts';
import { readForm } from '../body.ts';
import { ownPath } from '../browser/own-path.ts';
import { sendPage } from '../browser/page.ts';
import { requireOwnForm, sessionOf, signIn, signOut } from '../browser/session.ts';
import { SignInPage } from '../pages/sign-in-page.tsx';

export function signInRoutes(router: Router, parts: HostParts): void {
  const { isDev, currentUser, signIn: provider } = parts.settings;
  if (!isDev || currentUser || provider) return;
  const { name } = parts.settings.platform;

  router.get('/signin', (ctx) => {
    sendPage(
      ctx,
      SignInPage({
        name,
        csrf: sessionOf(ctx).csrf,
        returnTo: ownPath(String(ctx.query.return ?? '')),
      }),
    );
  });
  router.post('/signin', async (ctx) => {
    const form = await readForm(ctx);
    requireOwnForm(ctx, sessionOf(ctx), form, parts);
    const user = (form.get('user') ?? '').trim();
    if (!/^[\w.@-]{1,64}$/.test(user)) {
      throw new MortiseError({
        code: 'user_name_wrong',
        status: 400,
        message: 'A user name has letters, digits, ".", "_", "@" and "-".',
      });
    }
    await signIn(ctx, { id: user }, parts);
    ctx.redirect(ownPath(form.get('return') ?? ''));
    ctx.status = 303;
  });
  router.post('/signout', async (ctx) => {
    requireOwnForm(ctx, sessionOf(ctx), await readForm(ctx), parts);
    await signOut(ctx, parts);
    ctx.redirect('/signin');
    ctx.status = 303;
  });
}
