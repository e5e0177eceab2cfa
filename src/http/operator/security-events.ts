// GET /operator/v1/security-events?client= · GET /operator/v1/security-events/{id}

import type Router from '@koa/router';
import { isoTime } from '../../core/clock.ts';
import type { HostParts } from '../../host/parts.ts';
import type { SecurityEvent } from '../../store/oauth-rows.ts';
import { optionalString } from '../fields.ts';
import { listPage } from '../list-page.ts';
import { notFound } from '../problem.ts';

export function securityEventRoutes(router: Router, parts: HostParts): void {
  router.get('/security-events', async (ctx) => {
    const clientId = optionalString(ctx.query, 'client');
    const read = (page: { after?: string; limit: number }) =>
      parts.store.securityEvents.list({ clientId, ...page });
    ctx.body = await listPage(ctx.query, read, securityEventView);
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
