// GET /oauth2/forward-auth: a proxy asks, before it lets a request through to a product in any language (nginx
// auth_request). The platform's route table says which scope, and which resource, the request needs.
import type Router from '@koa/router';
import type { Context, Middleware } from 'koa';
import { MortiseError } from '../../core/errors.ts';
import { type GuardState, guard } from '../../host/guard.ts';
import type { HostParts } from '../../host/parts.ts';
import { type ApiRoute, compileApiRoutes } from '../../platform/api-routes.ts';

export function forwardAuthRoute(router: Router, parts: HostParts): void {
  const match = compileApiRoutes(parts.settings.platform.definition);
  const guards = new Map<ApiRoute, Middleware>();
  const guardOf = (route: ApiRoute): Middleware => {
    const known = guards.get(route);
    if (known) return known;
    const made = guard(route.scope, { resource: route.resource, request: originalOf }, parts);
    guards.set(route, made);
    return made;
  };

  router.get('/oauth2/forward-auth', async (ctx) => {
    const { method, url } = originalOf(ctx);
    const found = match(method, url.split('?')[0] ?? '');
    if (!found) throw routeUnknown(method, url);
    ctx.params = found.parameters;
    await guardOf(found.route)(ctx, async () => {
      ctx.status = 200;
      ctx.body = '';
      tell(ctx, ctx.state.mortise as GuardState);
    });
  });
}

/** As the proxy says: X-Original-Method and X-Original-URI, path and query as received. @throws original_missing */
function originalOf(ctx: Context): { method: string; url: string } {
  const method = ctx.get('x-original-method').toUpperCase();
  const url = ctx.get('x-original-uri');
  if (method !== '' && url.startsWith('/')) return { method, url };
  throw new MortiseError({
    code: 'original_missing',
    status: 400,
    message: 'X-Original-Method and X-Original-URI must say which request this is about.',
    hint: 'In nginx: proxy_set_header X-Original-URI $request_uri; and X-Original-Method $request_method.',
  });
}

/** For the product, through the proxy: percent-encoded, since a header cannot hold everything. */
function tell(
  ctx: Context,
  { user, installation, consumer, context, scopes, resources }: GuardState,
): void {
  const facts: Record<string, string | undefined> = {
    'Mortise-Client': consumer.id,
    'Mortise-User': user?.id,
    'Mortise-Addon': installation?.addonKey,
    'Mortise-Context': context,
    'Mortise-Scopes': scopes.join(' '),
    'Mortise-Resources': resources?.join(' '),
  };
  for (const [name, value] of Object.entries(facts)) {
    if (value !== undefined) ctx.set(name, encodeURI(value));
  }
}

function routeUnknown(method: string, url: string): MortiseError {
  return new MortiseError({
    code: 'route_unknown',
    status: 403,
    message: `No route of the platform definition's "api" is ${method} ${url.split('?')[0]}.`,
    hint: 'Add the route with its scope, or do not ask about this path.',
  });
}
