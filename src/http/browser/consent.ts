// The consent page and what comes back from it, for both protocols.
import type { Context } from 'koa';
import type { ConsentAnswer, ConsentRequest } from '../../host/consent.ts';
import type { User } from '../../host/options.ts';
import type { HostParts } from '../../host/parts.ts';
import { groupScopes } from '../../host/scope-view.ts';
import { ConsentPage } from '../pages/consent-page.tsx';
import type { Resource } from '../pages/resource-choice.tsx';
import { chosen } from './chosen.ts';
import { frameOf } from './frame.ts';
import { sendPage } from './page.ts';
import { resourcesIn } from './resources.ts';
import { sessionOf } from './session.ts';

export interface Question {
  id: string;
  request: ConsentRequest;
  /** The door the answer is posted to. */
  action: string;
  /** Where the answer goes on to; undefined: it is shown to the user. */
  redirectTo: string | undefined;
  /** Registered before scopes existed. */
  hasAllAccess: boolean;
}

export async function showConsent(
  ctx: Context,
  question: Question,
  user: User,
  parts: HostParts,
): Promise<void> {
  const { id, request, action, redirectTo, hasAllAccess } = question;
  const before = await parts.store.grants.findOfUser(user.id, request.clientId);
  const answerOrigin = redirectTo === undefined ? undefined : originOf(redirectTo);
  sendPage(
    ctx,
    ConsentPage({
      frame: frameOf(ctx, parts),
      csrf: sessionOf(ctx).csrf,
      action,
      consentId: id,
      consumerName: request.clientName,
      answerOrigin,
      hasAllAccess,
      groups: groupScopes(request.scopes, parts.settings.platform, {
        optional: request.optional,
        granted: before?.scopes,
      }),
      resources: await resourcesOf(user, parts),
    }),
    { formTargets: answerOrigin === undefined ? [] : [answerOrigin] },
  );
}

export function readConsentAnswer(form: ReadonlyMap<string, string>): ConsentAnswer {
  return {
    consentId: form.get('consent') ?? '',
    isAllowed: form.get('answer') === 'allow',
    ticked: chosen(form, 'scope.'),
    resources: form.get('where') === 'chosen' ? chosen(form, 'resource.') : null,
  };
}

/** 303: what follows a POST is a GET, and nothing posted here goes on to the client (RFC 9700 section 4.12). */
export function seeOther(ctx: Context, to: string): void {
  ctx.set({ 'Referrer-Policy': 'no-referrer', 'Cache-Control': 'no-store' });
  ctx.redirect(to);
  ctx.status = 303;
}

function originOf(uri: string): string {
  const { origin, protocol } = new URL(uri);
  return origin === 'null' ? protocol : origin;
}

/** Everything of every context the user has. */
async function resourcesOf(user: User, parts: HostParts): Promise<Resource[]> {
  const contexts = (await parts.settings.directory?.contexts(user)) ?? [];
  return resourcesIn(
    contexts.map(({ id }) => id),
    parts,
  );
}
