// What the platform offers: GET /operator/v1/scopes · /event-types · /event-types/{type}
import type Router from '@koa/router';
import type { HostParts } from '../../host/parts.ts';
import type { EventType } from '../../platform/platform.ts';
import { notFound } from '../problem.ts';

export function catalogueRoutes(router: Router, parts: HostParts): void {
  const { platform } = parts.settings;
  router.get('/scopes', (ctx) => {
    ctx.body = {
      items: [...platform.scopes.all].map(([name, scope]) => ({ name, implies: [], ...scope })),
      next: null,
    };
  });
  router.get('/event-types', (ctx) => {
    ctx.body = { items: [...platform.events.values()].map(eventTypeView), next: null };
  });
  router.get('/event-types/:type', (ctx) => {
    const eventType = platform.events.get(ctx.params.type!);
    if (!eventType) {
      throw notFound(
        `There is no event type "${ctx.params.type}".`,
        'GET /operator/v1/event-types lists them.',
      );
    }
    ctx.body = eventTypeView(eventType);
  });

  /** Schemas refer to the platform's definitions, so these come along. */
  function eventTypeView({
    type,
    title,
    description,
    scope,
    resource,
    payload,
    example,
  }: EventType) {
    const { definitions } = platform.definition;
    return {
      type,
      title,
      description,
      scope,
      resource,
      schema: definitions ? { ...payload, definitions } : payload,
      example,
    };
  }
}
