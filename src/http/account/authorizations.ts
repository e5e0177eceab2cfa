// GET, POST /account/authorizations
import type Router from '@koa/router';
import { revokeAllOwnGrants, revokeOwnGrant, revokeOwnScope } from '../../host/grants.ts';
import type { HostParts } from '../../host/parts.ts';
import { groupScopes } from '../../host/scope-view.ts';
import { readForm } from '../body.ts';
import { frameOf } from '../browser/frame.ts';
import { sendPage } from '../browser/page.ts';
import { toSignIn } from '../browser/pages.ts';
import { requireOwnForm, sessionOf } from '../browser/session.ts';
import { day, minute } from '../browser/times.ts';
import { AuthorizationsPage } from '../pages/authorizations-page.tsx';

const SAID: Record<string, string> = {
  grant: 'Access was taken back. Its tokens are dead.',
  scope: 'The permission was taken back.',
  all: 'All access was taken back.',
};

export function authorizationRoutes(router: Router, parts: HostParts): void {
  const { platform } = parts.settings;

  router.get('/account/authorizations', async (ctx) => {
    const { user, csrf } = sessionOf(ctx);
    if (!user) return toSignIn(ctx, parts);
    const grants = await parts.store.grants.list({ userId: user.id, limit: 200 });
    sendPage(
      ctx,
      AuthorizationsPage({
        frame: frameOf(ctx, parts),
        csrf,
        said: SAID[String(ctx.query.done ?? '')],
        items: grants.map((grant) => ({
          id: grant.id,
          name: grant.consumerName,
          isGrandfathered: grant.isGrandfathered,
          isAddon: grant.kind === 'act_as_user',
          groups: groupScopes(grant.scopes, platform),
          resources: grant.resources,
          since: day(grant.since),
          lastUsed:
            grant.lastUsedAt === null
              ? null
              : `${minute(grant.lastUsedAt)}${grant.lastUsedFrom ? ` from ${grant.lastUsedFrom}` : ''}`,
        })),
      }),
    );
  });

  router.post('/account/authorizations', async (ctx) => {
    const session = sessionOf(ctx);
    if (!session.user) return toSignIn(ctx, parts);
    const form = await readForm(ctx);
    requireOwnForm(ctx, session, form, parts);
    const what = form.get('revoke') ?? '';
    const grantId = form.get('grant') ?? '';
    if (what === 'all') await revokeAllOwnGrants(session.user.id, parts);
    else if (what.startsWith('scope.'))
      await revokeOwnScope(grantId, what.slice(6), session.user.id, parts);
    else await revokeOwnGrant(grantId, session.user.id, parts);
    ctx.redirect(`/account/authorizations?done=${what.split('.')[0]}`);
    ctx.status = 303;
  });
}
