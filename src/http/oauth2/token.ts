// POST /oauth2/token (RFC 6749 section 3.2), /oauth2/revoke (RFC 7009), /oauth2/introspect (RFC 7662).
import type Router from '@koa/router';
import type { Context } from 'koa';
import type { MortiseError } from '../../core/errors.ts';
import type { HostParts } from '../../host/parts.ts';
import { issueToken, type TokenRequest } from '../../host/token.ts';
import { introspectToken, revokeToken } from '../../host/token-endpoints.ts';
import { namedClient } from '../../oauth/credentials.ts';
import { readForm } from '../body.ts';
import { asMortiseError } from '../problem.ts';
import { FailedAuthentications } from './failed-authentications.ts';

export function tokenRoutes(router: Router, parts: HostParts): void {
  const failures = new FailedAuthentications(parts.settings.clock);
  const alias = parts.settings.platform.definition.oauth?.aliases?.token;
  for (const path of ['/oauth2/token', ...(alias ? [alias] : [])]) {
    endpoint(router, path, failures, parts, async (request) => {
      const { token, expiresInSeconds, scopes, refreshToken } = await issueToken(request, parts);
      const scope = scopes.join(' ');
      return {
        access_token: token,
        token_type: 'bearer',
        expires_in: expiresInSeconds,
        // Both names: `scope` is the RFC's, `scopes` is Bitbucket's.
        scope,
        scopes: scope,
        ...(refreshToken !== undefined && { refresh_token: refreshToken }),
      };
    });
  }
  // simple-oauth2 asks for JSON even where there is nothing to say.
  endpoint(router, '/oauth2/revoke', failures, parts, async (request) => {
    await revokeToken(request, parts);
    return {};
  });
  endpoint(router, '/oauth2/introspect', failures, parts, (request) =>
    introspectToken(request, parts),
  );
}

/** A form in, JSON out, never kept; faults by their RFC 6749 section 5.2 names. */
function endpoint(
  router: Router,
  path: string,
  failures: FailedAuthentications,
  parts: HostParts,
  answer: (request: TokenRequest) => Promise<Record<string, unknown>>,
): void {
  router.post(path, async (ctx) => {
    ctx.set({ 'Cache-Control': 'no-store', Pragma: 'no-cache' });
    const authorization = ctx.get('authorization') || undefined;
    let parameters: ReadonlyMap<string, string> = new Map();
    try {
      parameters = await readForm(ctx);
      ctx.body = await answer({ authorization, parameters, url: ctx.originalUrl });
    } catch (error) {
      const known = asMortiseError(error, parts.settings.log);
      const wait =
        known.code === 'invalid_client'
          ? failures.count(ctx.ip, namedClient(authorization, parameters))
          : undefined;
      writeTokenError(ctx, known, wait);
    }
  });
}

const RFC_CODES = new Set([
  'invalid_request',
  'invalid_client',
  'invalid_grant',
  'unauthorized_client',
  'unsupported_grant_type',
  'invalid_scope',
]);

/** JSON, and 401 with a challenge for a client that did not prove itself. */
function writeTokenError(ctx: Context, error: MortiseError, waitSeconds: number | undefined): void {
  const isOurs = error.status < 500;
  ctx.status = waitSeconds === undefined ? error.status : 429;
  if (waitSeconds !== undefined) ctx.set('Retry-After', String(waitSeconds));
  if (error.code === 'invalid_client') ctx.set('WWW-Authenticate', 'Basic realm="oauth2"');
  ctx.body = {
    error: RFC_CODES.has(error.code) ? error.code : isOurs ? 'invalid_request' : 'server_error',
    error_description: error.message,
  };
}
