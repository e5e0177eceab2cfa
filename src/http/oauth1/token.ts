// POST /api/1.0/oauth/request_token, /api/1.0/oauth/access_token (RFC 5849 sections 2.1 and 2.3); GET is tolerated.
import type Router from '@koa/router';
import type { Context } from 'koa';
import { MortiseError } from '../../core/errors.ts';
import { readFormBody } from '../../host/form-body.ts';
import { type Credentials, issueAccessToken, issueRequestToken } from '../../host/oauth1.ts';
import type { HostParts } from '../../host/parts.ts';
import { OAUTH1_CHALLENGE } from '../../oauth/oauth1/errors.ts';
import type { ReceivedRequest } from '../../oauth/oauth1/signed-request.ts';

export function oauth1TokenRoutes(router: Router, parts: HostParts): void {
  endpoint(router, '/api/1.0/oauth/request_token', async (request) => ({
    ...formOf(await issueRequestToken(request, parts)),
    oauth_callback_confirmed: 'true',
  }));
  endpoint(router, '/api/1.0/oauth/access_token', async (request) =>
    formOf(await issueAccessToken(request, parts)),
  );
}

function formOf({ token, secret }: Credentials): Record<string, string> {
  return { oauth_token: token, oauth_token_secret: secret };
}

/** Answers a form, as section 2.1 says; faults are problem documents, with a challenge where it is 401. */
function endpoint(
  router: Router,
  path: string,
  answer: (request: ReceivedRequest) => Promise<Record<string, string>>,
): void {
  const handle = async (ctx: Context) => {
    try {
      const form = await answer({
        authorization: ctx.get('authorization') || undefined,
        method: ctx.method,
        url: ctx.originalUrl,
        form: await readFormBody(ctx),
      });
      ctx.type = 'application/x-www-form-urlencoded';
      ctx.body = new URLSearchParams(form).toString();
    } catch (error) {
      if (error instanceof MortiseError && error.status === 401)
        ctx.set('WWW-Authenticate', OAUTH1_CHALLENGE);
      throw error;
    }
  };
  router.post(path, handle);
  router.get(path, handle);
}
