// GET /addon/v1/installation: an add-on asks, with its own token, what it asked for and what it was granted.
import type Router from '@koa/router';
import { MortiseError } from '../../core/errors.ts';
import { findCaller } from '../../host/caller.ts';
import { installedDescriptor } from '../../host/lifecycle-call.ts';
import type { HostParts } from '../../host/parts.ts';

export function addonRoutes(router: Router, parts: HostParts): void {
  router.get('/addon/v1/installation', async (ctx) => {
    const request = {
      authorization: ctx.get('authorization') || undefined,
      method: ctx.method,
      url: ctx.originalUrl,
    };
    const decision = await findCaller(request, parts);
    const caller = 'caller' in decision ? decision.caller.installation : null;
    const installation = caller && (await parts.store.installations.find(caller.id));
    if (!installation) {
      ctx.set('WWW-Authenticate', 'Bearer realm="addon"');
      throw new MortiseError({
        code: 'invalid_token',
        status: 401,
        message:
          'reason' in decision
            ? decision.reason
            : 'This call needs an access token of an installation.',
        hint: 'Fetch one at /oauth2/token with the credentials of the installed call.',
      });
    }
    const grant = await parts.store.installations.findGrant(installation.id);
    const requested = installedDescriptor(installation, parts)?.scopes ?? [];
    const granted = grant?.scopes ?? [];
    const closure = parts.settings.platform.scopes.closure(granted);
    ctx.body = {
      id: installation.id,
      addonKey: installation.addonKey,
      clientKey: installation.clientKey,
      context: installation.context === '' ? null : installation.context,
      state: installation.state,
      requestedScopes: requested,
      scopes: granted,
      missingScopes: requested.filter((scope) => !closure.has(scope)),
      resources: grant?.resources ?? null,
    };
  });
}
