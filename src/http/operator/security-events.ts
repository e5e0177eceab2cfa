// GET /operator/v1/security-events?client= · GET /operator/v1/security-events/{id}
import type Router from '@koa/router';
import { isoTime } from '../../core/clock.ts';
import type { HostParts } from '../../host/parts.ts';
import type { SecurityEvent } from '../../store/oauth-rows.ts';
import { optionalString, pageLimit } from '../fields.ts';
import { notFound } from '../problem.ts';

export function securityEventRoutes(router: Router, parts: HostParts): void {
  router.get('/security-events', async (ctx) => {
    const limit = pageLimit(ctx.query);
    const rows = await parts.store.securityEvents.list({
      clientId: optionalString(ctx.query, 'client'),
      after: optionalString(ctx.query, 'after'),
      limit: limit + 1,
    });
    const page = rows.slice(0, limit);
    ctx.body = {
      items: page.map(securityEventView),
      next: rows.length > limit ? page.at(-1)!.id : null,
    };
  });

  router.get('/security-events/:id', async (ctx) => {
    const event = await parts.store.securityEvents.find(ctx.params.id!);
    if (!event)
      throw notFound(
        `There is no security event "${ctx.params.id}".`,
        'GET /operator/v1/security-events lists them.',
      );
    ctx.body = {
      ...securityEventView(event),
      attempts: event.log.map(({ at, errorCode, ...attempt }) => ({
        ...attempt,
        error: errorCode,
        at: isoTime(at),
      })),
    };
  });
}

function securityEventView(event: SecurityEvent): Record<string, unknown> {
  const { id, clientId, userId, scopes, state, attempts, dueAt, createdAt } = event;
  return {
    id,
    clientId,
    user: userId,
    scopes,
    state,
    attemptCount: attempts,
    nextAttemptAt: state === 'owed' ? isoTime(dueAt) : null,
    createdAt: isoTime(createdAt),
  };
}
