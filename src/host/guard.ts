// One line per route of the product's API: host.guard('issue:write', { resource: '{workspace}/{repo}' }).
// RFC 6750 section 3 errors, Bitbucket's two scope headers on every answer.
import type { Context, Middleware } from 'koa';
import { MortiseError } from '../core/errors.ts';
import type { Caller } from '../oauth/access-token.ts';
import { OAUTH1_CHALLENGE } from '../oauth/oauth1/errors.ts';
import type { ClientRow, InstallationRow } from '../store/rows.ts';
import { type CallerDecision, findCaller } from './caller.ts';
import type { HostParts } from './parts.ts';
import { type Place, type PlaceOptions, readPlace } from './route-place.ts';

export interface GuardOptions extends PlaceOptions {
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
  const place = readPlace(options, platform);
  return async (ctx, next) => {
    const authorization = ctx.get('authorization') || undefined;
    const request = options.request
      ? { authorization, ...options.request(ctx) }
      : { authorization, method: ctx.method, url: ctx.originalUrl, ctx };
    ctx.set('X-Accepted-OAuth-Scopes', scope);
    try {
      const decision = await findCaller(request, parts, options.basicUser);
      const caller = requireCaller(ctx, decision, options.basicUser);
      ctx.set('X-OAuth-Scopes', caller.scopes.join(', '));
      requireScope(ctx, caller, scope, parts);
      requirePlace(ctx, caller, place);
      ctx.state.mortise = stateOf(caller);
      // An installation's own calls are counted nowhere.
      if (caller.userId !== null || caller.installation === null) {
        await noteUse(caller, scope, ctx.ip, parts);
      }
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
function requirePlace(ctx: Context, caller: Caller, place: Place): void {
  const context = place.context(ctx);
  const own = caller.context ?? undefined;
  if (context !== undefined && own !== undefined && own !== '' && context !== own) {
    throw notCovered(ctx, `The token belongs to "${own}", not to "${context}".`);
  }
  if (place.resource === null) return;
  if (place.resource === undefined) {
    if (caller.resources === null || context === undefined) return;
    throw notCovered(
      ctx,
      `The token covers single resources of "${context}", not "${context}" itself.`,
    );
  }
  const resource = place.resource(ctx);
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

function stateOf(caller: Caller): GuardState {
  const { installation, context, userId, clientId, scopes, resources } = caller;
  const state: GuardState = { consumer: { id: clientId }, scopes, resources };
  if (context !== null) state.context = context;
  if (userId !== null) state.user = { id: userId };
  if (installation !== null) {
    const { id, addonKey, clientKey } = installation;
    state.installation = { id, addonKey, context: installation.context, clientKey };
  }
  return state;
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
