// The operators' pages: signed in, and an operator; their forms are our own.
import type Router from '@koa/router';
import type { Context } from 'koa';
import { MortiseError } from '../../core/errors.ts';
import type { User } from '../../host/options.ts';
import type { HostParts } from '../../host/parts.ts';
import { readForm } from '../body.ts';
import { frameOf } from '../browser/frame.ts';
import { sendPage } from '../browser/page.ts';
import { toSignIn } from '../browser/pages.ts';
import { requireOwnForm, sessionOf } from '../browser/session.ts';
import { ErrorPage } from '../pages/error-page.tsx';

export const INSTALLATIONS = '/operator/installations';

export interface Visit {
  ctx: Context & { params: Record<string, string> };
  user: User;
  parts: HostParts;
}

export interface Post extends Visit {
  form: ReadonlyMap<string, string>;
}

/** Routes that only operators reach. */
export function operatorPages(router: Router, parts: HostParts) {
  return {
    show(path: string, page: (visit: Visit) => Promise<void>): void {
      router.get(path, async (ctx) => {
        const user = operatorOf(ctx, parts);
        if (user) await page({ ctx, user, parts });
      });
    },
    take(path: string, act: (post: Post) => Promise<void>): void {
      router.post(path, async (ctx) => {
        const user = operatorOf(ctx, parts);
        if (!user) return;
        const form = await readForm(ctx);
        requireOwnForm(ctx, sessionOf(ctx), form, parts);
        await act({ ctx, user, parts, form });
      });
    },
  };
}

/** undefined: the answer is written already. */
function operatorOf(ctx: Context, parts: HostParts): User | undefined {
  const { user, isOperator } = sessionOf(ctx);
  if (!user) {
    toSignIn(ctx, parts, INSTALLATIONS);
    return undefined;
  }
  if (isOperator) return user;
  const error = new MortiseError({
    code: 'operator_only',
    status: 403,
    message: 'Only operators may see this page.',
    hint: `You are signed in as ${user.name ?? user.id}. Ask an operator of ${parts.settings.platform.name}.`,
  });
  sendPage(ctx, ErrorPage({ frame: frameOf(ctx, parts), error }), { status: error.status });
  return undefined;
}

export function seeOther(ctx: Context, to: string): void {
  ctx.redirect(to);
  ctx.status = 303;
}
