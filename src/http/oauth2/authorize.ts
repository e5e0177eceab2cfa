// GET, POST /oauth2/authorize, and the platform's alias for it.
import type Router from '@koa/router';
import type { Context } from 'koa';
import { MortiseError } from '../../core/errors.ts';
import { RateLimit } from '../../core/rate-limit.ts';
import { authorize } from '../../host/authorize.ts';
import { decideConsent } from '../../host/decide-consent.ts';
import type { HostParts } from '../../host/parts.ts';
import { readForm } from '../body.ts';
import { readConsentAnswer, seeOther, showConsent } from '../browser/consent.ts';
import { toSignIn } from '../browser/pages.ts';
import { requireOwnForm, sessionOf } from '../browser/session.ts';

const DOOR = '/oauth2/authorize';

/** Of one user: no person answers more, and each question is a row. */
const ASKED_PER_MINUTE = 60;

export function authorizeRoutes(router: Router, parts: HostParts): void {
  const asked = new RateLimit(ASKED_PER_MINUTE, parts.settings.clock);
  const alias = parts.settings.platform.definition.oauth?.aliases?.authorize;
  for (const path of [DOOR, ...(alias ? [alias] : [])]) {
    router.get(path, async (ctx) => {
      const { user, hash } = sessionOf(ctx);
      const wait = user && asked.hit(user.id);
      if (wait !== undefined) throw askedTooOften(ctx, wait);
      const answer = await authorize(queryOf(ctx), { user, sessionHash: hash }, parts);
      if (answer.kind === 'sign-in') return toSignIn(ctx, parts);
      if (answer.kind === 'redirect') return seeOther(ctx, answer.to);
      const { id, request } = answer;
      const { redirectTo } = request;
      const question = { id, request, action: DOOR, redirectTo, hasAllAccess: false };
      await showConsent(ctx, question, user!, parts);
    });
  }

  router.post(DOOR, async (ctx) => {
    const form = await readForm(ctx);
    const session = sessionOf(ctx);
    if (!session.user) return toSignIn(ctx, parts);
    requireOwnForm(ctx, session, form, parts);
    const asker = { user: session.user, sessionHash: session.hash };
    seeOther(ctx, await decideConsent(readConsentAnswer(form), asker, parts));
  });
}

function askedTooOften(ctx: Context, waitSeconds: number): MortiseError {
  ctx.set('Retry-After', String(waitSeconds));
  return new MortiseError({
    code: 'asked_too_often',
    status: 429,
    message: 'You were asked for access more than once a second.',
    hint: 'Wait a minute. If it goes on, an application in your browser misbehaves.',
  });
}

/** @throws parameter_repeated (RFC 6749 section 3.1) */
function queryOf(ctx: Context): ReadonlyMap<string, string> {
  const parameters = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(ctx.querystring)) {
    if (parameters.has(name)) {
      throw new MortiseError({
        code: 'parameter_repeated',
        status: 400,
        message: `"${name}" is sent twice.`,
        hint: 'Tell the author of the application.',
      });
    }
    if (value !== '') parameters.set(name, value);
  }
  return parameters;
}
