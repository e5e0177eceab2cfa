// GET, POST /api/1.0/oauth/authenticate: the user's part (RFC 5849 section 2.2).
import type Router from '@koa/router';
import { OUT_OF_BAND } from '../../host/oauth1.ts';
import { authenticate, decideOauth1Consent } from '../../host/oauth1-consent.ts';
import type { HostParts } from '../../host/parts.ts';
import { readForm } from '../body.ts';
import { readConsentAnswer, seeOther, showConsent } from '../browser/consent.ts';
import { frameOf } from '../browser/frame.ts';
import { sendPage } from '../browser/page.ts';
import { toSignIn } from '../browser/pages.ts';
import { requireOwnForm, sessionOf } from '../browser/session.ts';
import { VerifierPage } from '../pages/verifier-page.tsx';

const DOOR = '/api/1.0/oauth/authenticate';

export function authenticateRoutes(router: Router, parts: HostParts): void {
  router.get(DOOR, async (ctx) => {
    const { user, hash } = sessionOf(ctx);
    const { oauth_token: token } = ctx.query;
    const asked = typeof token === 'string' ? token : '';
    const answer = await authenticate(asked, { user, sessionHash: hash }, parts);
    if (answer.kind === 'sign-in') return toSignIn(ctx, parts);
    const { id, request } = answer;
    const { callback, hasAllAccess } = request;
    const redirectTo = callback === OUT_OF_BAND ? undefined : callback;
    await showConsent(ctx, { id, request, action: DOOR, redirectTo, hasAllAccess }, user!, parts);
  });

  router.post(DOOR, async (ctx) => {
    const form = await readForm(ctx);
    const session = sessionOf(ctx);
    if (!session.user) return toSignIn(ctx, parts);
    requireOwnForm(ctx, session, form, parts);
    const asker = { user: session.user, sessionHash: session.hash };
    const decision = await decideOauth1Consent(readConsentAnswer(form), asker, parts);
    if (decision.kind === 'redirect') return seeOther(ctx, decision.to);
    const verifier = decision.kind === 'verifier' ? decision.verifier : undefined;
    const { clientName } = decision;
    sendPage(ctx, VerifierPage({ frame: frameOf(ctx, parts), consumerName: clientName, verifier }));
  });
}
