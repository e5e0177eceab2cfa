// POST /oauth2/token (RFC 6749 section 3.2), and the platform's alias for it.
import type Router from '@koa/router';
import type { Context } from 'koa';
import type { MortiseError } from '../../core/errors.ts';
import type { HostParts } from '../../host/parts.ts';
import { issueToken } from '../../host/token.ts';
import { readForm } from '../body.ts';
import { asMortiseError } from '../problem.ts';

export function tokenRoute(router: Router, parts: HostParts): void {
  const alias = parts.settings.platform.definition.oauth?.aliases?.token;
  for (const path of ['/oauth2/token', ...(alias ? [alias] : [])]) {
    router.post(path, async (ctx) => {
      ctx.set('Cache-Control', 'no-store');
      ctx.set('Pragma', 'no-cache');
      try {
        const { token, expiresInSeconds, scopes } = await issueToken(
          {
            authorization: ctx.get('authorization') || undefined,
            parameters: await readForm(ctx),
            url: ctx.originalUrl,
          },
          parts,
        );
        const scope = scopes.join(' ');
        // Both names: `scope` is the RFC's, `scopes` is Bitbucket's.
        ctx.body = {
          access_token: token,
          token_type: 'bearer',
          expires_in: expiresInSeconds,
          scope,
          scopes: scope,
        };
      } catch (error) {
        writeTokenError(ctx, asMortiseError(error, parts.settings.log));
      }
    });
  }
}

const RFC_CODES = new Set([
  'invalid_request',
  'invalid_client',
  'invalid_grant',
  'unauthorized_client',
  'unsupported_grant_type',
  'invalid_scope',
]);

/** RFC 6749 section 5.2: JSON, and 401 with a challenge for a client that did not prove itself. */
function writeTokenError(ctx: Context, error: MortiseError): void {
  const isOurs = error.status < 500;
  ctx.status = error.status;
  if (error.code === 'invalid_client') ctx.set('WWW-Authenticate', 'Basic realm="oauth2"');
  ctx.body = {
    error: RFC_CODES.has(error.code) ? error.code : isOurs ? 'invalid_request' : 'server_error',
    error_description: error.message,
  };
}
