// GET /addon/v1/installation: an add-on asks, with its own token, what it asked for and what it was granted.
// POST /addon/v1/installation/rotate-secret: it asks for new secrets, and is told them by its installed call.
import type Router from '@koa/router';
import type { Context } from 'koa';
import { MortiseError } from '../../core/errors.ts';
import { findCaller } from '../../host/caller.ts';
import { installedDescriptor } from '../../host/lifecycle-call.ts';
import type { HostParts } from '../../host/parts.ts';
import { rotateSecret } from '../../host/rotate-secret.ts';
import type { InstallationRow } from '../../store/rows.ts';
import { rotationView } from '../operator/views.ts';

export function addonRoutes(router: Router, parts: HostParts): void {
  router.get('/addon/v1/installation', async (ctx) => {
    const { installation } = await callingAddon(ctx, parts);
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
  // It names no installation: it is the caller's own.
  router.post('/addon/v1/installation/rotate-secret', async (ctx) => {
    const { installation, userId } = await callingAddon(ctx, parts);
    if (userId !== null) throw notItsOwn(ctx, 'This token is for what a user may do.');
    ctx.body = rotationView(await rotateSecret(installation.id, parts));
  });
}

/** @throws invalid_token */
async function callingAddon(
  ctx: Context,
  parts: HostParts,
): Promise<{ installation: InstallationRow; userId: string | null }> {
  const request = {
    authorization: ctx.get('authorization') || undefined,
    method: ctx.method,
    url: ctx.originalUrl,
  };
  const decision = await findCaller(request, parts);
  if ('reason' in decision) throw notItsOwn(ctx, decision.reason);
  const caller = 'caller' in decision ? decision.caller : undefined;
  const row =
    caller?.installation && (await parts.store.installations.find(caller.installation.id));
  if (!row) throw notItsOwn(ctx, 'This call needs an access token of an installation.');
  return { installation: row, userId: caller.userId };
}

function notItsOwn(ctx: Context, message: string): MortiseError {
  ctx.set('WWW-Authenticate', 'Bearer realm="addon"');
  return new MortiseError({
    code: 'invalid_token',
    status: 401,
    message,
    hint: 'Fetch one at /oauth2/token with the credentials of the installed call.',
  });
}
