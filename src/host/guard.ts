// One line per route of the product's API: host.guard('issue:write', { resource: '{workspace}/{repo}' }).
// RFC 6750 section 3 errors, Bitbucket's two scope headers on every answer.
import type { Context, Middleware } from 'koa';
import { MortiseError } from '../core/errors.ts';
import type { Caller } from '../oauth/access-token.ts';
import { OAUTH1_CHALLENGE } from '../oauth/oauth1/errors.ts';
import type { ClientRow, InstallationRow } from '../store/rows.ts';
import { type CallerDecision, findCaller } from './caller.ts';
import { readFormBody } from './form-body.ts';
import type { HostParts } from './parts.ts';

export interface GuardOptions {
  /**
   * The resource this request is about, by the product's own name: a template over the route's parameters, or a function.
   * Without it the route is about its whole context, which a token limited to resources does not cover. null: the route
   * itself leaves out what ctx.state.mortise.resources does not name.
   */
  resource?: string | ((ctx: Context) => string) | null;
  /**
   * The context it belongs to. Default: the route parameter named like one of the platform's kinds of contexts,
   * or like an alias of one.
   */
  context?: string | ((ctx: Context) => string);
  /** Accept a token as Basic password under this user name, as git sends it: `x-token-auth`. */
  basicUser?: string;
}

/** A request that a proxy asks about: it is not the one in ctx. */
export interface GuardedElsewhere {
  request?: (ctx: Context) => { method: string; url: string };
}

/** What a guarded route finds in ctx.state.mortise. */
export interface GuardState {
  /** The context the token is for: an installation's, or a consumer's own; absent for a user's. */
  context?: string;
  installation?: Pick<InstallationRow, 'id' | 'addonKey' | 'context' | 'clientKey'>;
  user?: { id: string };
  consumer: { id: ClientRow['id'] };
  /** As granted; scopes.covers() and the guard know what they imply. */
  scopes: string[];
  /** null = all of the context. */
  resources: string[] | null;
}

/**
 * Lets a request pass whose token covers the scope, in its context, on its resource.
 * An OAuth 1 request whose body is a form has its body read here, since the signature covers it: it is left as text in
 * ctx.request.rawBody and as fields in ctx.request.body. A body parser before the guard must keep rawBody.
 * Refuses with token_missing, invalid_token (401), insufficient_scope, resource_not_granted (403).
 */
export function guard(
  scope: string,
  options: GuardOptions & GuardedElsewhere,
  parts: HostParts,
): Middleware {
  const { platform } = parts.settings;
  if (!platform.scopes.all.has(scope)) {
    throw new MortiseError({
      code: 'scope_unknown',
      status: 500,
      message: `guard("${scope}"): the platform definition has no such scope.`,
      hint: `It has: ${[...platform.scopes.all.keys()].join(', ')}.`,
    });
  }
  return async (ctx, next) => {
    const request = {
      authorization: ctx.get('authorization') || undefined,
      ...(options.request?.(ctx) ?? {
        method: ctx.method,
        url: ctx.originalUrl,
        readForm: () => readFormBody(ctx),
      }),
    };
    ctx.set('X-Accepted-OAuth-Scopes', scope);
    try {
      const decision = await findCaller(request, parts, options.basicUser);
      const caller = requireCaller(ctx, decision, options.basicUser);
      ctx.set('X-OAuth-Scopes', caller.scopes.join(', '));
      requireScope(ctx, caller, scope, parts);
      requirePlace(ctx, caller, options, parts);
      ctx.state.mortise = stateOf(caller);
      await noteUse(caller, scope, ctx.ip, parts);
    } catch (error) {
      if (!(error instanceof MortiseError) || error.status >= 500) throw error;
      // Answered here, not thrown on: Koa's own error handling would take the headers away.
      parts.settings.answerRefusal(ctx, error);
      return;
    }
    await next();
  };
}

/** For the user's access management, and for the day a consumer must name its scopes. */
async function noteUse(
  caller: Caller,
  scope: string,
  from: string,
  parts: HostParts,
): Promise<void> {
  const { grants, usedScopes } = parts.store;
  const now = parts.settings.clock.now();
  await Promise.all([
    caller.userId === null ? undefined : grants.noteUse(caller.grantId, now, from),
    caller.installation === null ? usedScopes.note(caller.clientId, scope, now) : undefined,
  ]);
}

function requireCaller(
  ctx: Context,
  decision: CallerDecision,
  basicUser: string | undefined,
): Caller {
  if ('caller' in decision) return decision.caller;
  if ('missing' in decision) {
    // RFC 6750 section 3.1: no error code when there was no token. git asks again when it sees Basic.
    ctx.set(
      'WWW-Authenticate',
      basicUser === undefined ? 'Bearer realm="api"' : 'Basic realm="git"',
    );
    throw refused(
      'token_missing',
      401,
      'This call needs an access token.',
      'Send "Authorization: Bearer …"; fetch a token at /oauth2/token.',
    );
  }
  if ('refusal' in decision) {
    if (decision.refusal.status === 401) ctx.set('WWW-Authenticate', OAUTH1_CHALLENGE);
    throw decision.refusal;
  }
  ctx.set(
    'WWW-Authenticate',
    basicUser === undefined
      ? bearerChallenge('invalid_token', decision.reason)
      : 'Basic realm="git"',
  );
  throw refused('invalid_token', 401, decision.reason, 'Fetch a new token at /oauth2/token.');
}

function requireScope(ctx: Context, caller: Caller, scope: string, parts: HostParts): void {
  if (parts.settings.platform.scopes.covers(caller.scopes, scope)) return;
  const message = `The token has ${list(caller.scopes)}; this call needs "${scope}".`;
  ctx.set(
    'WWW-Authenticate',
    `${bearerChallenge('insufficient_scope', message)}, scope="${scope}"`,
  );
  throw refused(
    'insufficient_scope',
    403,
    message,
    'Ask for the scope in the descriptor and let an operator approve it.',
    {
      required: [scope],
      granted: caller.scopes,
    },
  );
}

/** Outside the installation's context nothing is granted, whatever the scopes say. */
function requirePlace(ctx: Context, caller: Caller, options: GuardOptions, parts: HostParts): void {
  const context = contextOf(ctx, options, parts);
  const own = caller.context ?? undefined;
  if (context !== undefined && own !== undefined && own !== '' && context !== own) {
    throw notCovered(ctx, `The token belongs to "${own}", not to "${context}".`);
  }
  if (options.resource === null) return;
  if (options.resource === undefined) {
    if (caller.resources === null || context === undefined) return;
    throw notCovered(
      ctx,
      `The token covers single resources of "${context}", not "${context}" itself.`,
    );
  }
  const resource =
    typeof options.resource === 'function' ? options.resource(ctx) : fill(options.resource, ctx);
  if (context === undefined && own !== undefined && own !== '') {
    throw new MortiseError({
      code: 'guard_context_unknown',
      status: 500,
      message: `guard(): the context of "${resource}" cannot be told from the route ${ctx.path}.`,
      hint: 'Name a route parameter like the kind of context, or give guard() the option "context".',
    });
  }
  if (caller.resources !== null && !caller.resources.includes(resource)) {
    throw notCovered(ctx, `The token does not cover "${resource}".`);
  }
}

function contextOf(ctx: Context, options: GuardOptions, parts: HostParts): string | undefined {
  if (typeof options.context === 'function') return options.context(ctx);
  if (options.context !== undefined) return fill(options.context, ctx);
  const parameters = (ctx.params ?? {}) as Record<string, string>;
  for (const name of parts.settings.platform.contextKinds.keys()) {
    if (parameters[name] !== undefined) return parameters[name];
  }
  return undefined;
}

function fill(template: string, ctx: Context): string {
  const parameters = (ctx.params ?? {}) as Record<string, string>;
  return template.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = parameters[name];
    if (value === undefined) throw new Error(`guard(): the route has no parameter "${name}"`);
    return value;
  });
}

function stateOf(caller: Caller): GuardState {
  const { installation, userId, clientId, scopes, resources } = caller;
  return {
    ...(installation && {
      installation: {
        id: installation.id,
        addonKey: installation.addonKey,
        context: installation.context,
        clientKey: installation.clientKey,
      },
    }),
    ...(caller.context !== null && { context: caller.context }),
    ...(userId !== null && { user: { id: userId } }),
    consumer: { id: clientId },
    scopes,
    resources,
  };
}

function notCovered(ctx: Context, message: string): MortiseError {
  ctx.set('WWW-Authenticate', bearerChallenge('insufficient_scope', message));
  return refused(
    'resource_not_granted',
    403,
    message,
    'Install the add-on there, or choose the resource for it.',
  );
}

/** RFC 6750 section 3: %x20-21 / %x23-5B / %x5D-7E. */
function headerText(text: string): string {
  return text.replaceAll('"', "'").replace(/[^\x20-\x21\x23-\x5b\x5d-\x7e]/g, '?');
}

function bearerChallenge(error: string, description: string): string {
  return `Bearer realm="api", error="${error}", error_description="${headerText(description)}"`;
}

function refused(
  code: string,
  status: number,
  message: string,
  hint: string,
  extensions = {},
): MortiseError {
  return new MortiseError({ code, status, message, hint, extensions });
}

function list(scopes: string[]): string {
  return scopes.length === 0 ? 'no scopes' : scopes.map((scope) => `"${scope}"`).join(', ');
}
