// GET /operator/v1/events/{id}/explanation?installation=&state=: who was told, who was not, and why.
import type Router from '@koa/router';
import { isoTime } from '../../core/clock.ts';
import {
  type ExplainedInstallation,
  type ExplainedMoment,
  explainEvent,
} from '../../host/explain-event.ts';
import type { HostParts } from '../../host/parts.ts';
import { EXPLAINED_STATES, type Wait } from '../../webhooks/explain.ts';
import type { Because } from '../../webhooks/standing.ts';
import { optionalOneOf, optionalString, pageLimit } from '../fields.ts';
import { time } from './views.ts';

export function explanationRoutes(router: Router, parts: HostParts): void {
  router.get('/events/:id/explanation', async (ctx) => {
    const { event, summary, items, next } = await explainEvent(
      ctx.params.id!,
      {
        installationId: optionalString(ctx.query, 'installation'),
        state: optionalOneOf(ctx.query, 'state', EXPLAINED_STATES),
        after: optionalString(ctx.query, 'after'),
        limit: pageLimit(ctx.query),
      },
      parts,
    );
    const { id, type, context, resource, orderingKey, createdAt } = event;
    ctx.body = {
      event: {
        id,
        type,
        context: context === '' ? null : context,
        resource,
        orderingKey,
        createdAt: isoTime(createdAt),
      },
      summary,
      items: items.map(view),
      next,
    };
  });
}

function view(item: ExplainedInstallation): Record<string, unknown> {
  const { installationId, addonKey, state, message, because, wait, needs, approveUrl } = item;
  const [first] = item.deliveries;
  return {
    installationId,
    addonKey,
    state,
    reason: wait?.reason ?? because?.reason ?? first?.last?.reason ?? null,
    message,
    ...(because ? times(because) : { since: null, until: null }),
    waits: wait && waitView(wait),
    deliveries: item.deliveries.map((delivery) => ({
      id: delivery.id,
      webhookId: delivery.webhookId,
      state: delivery.state,
      attemptCount: delivery.attempts,
      message: delivery.message,
      lastAttempt: delivery.last && { ...delivery.last, at: isoTime(delivery.last.at) },
      waits: delivery.wait && waitView(delivery.wait),
      nextAttemptAt: time(delivery.dueAt),
      expiresAt: time(delivery.expiresAt),
      withheld: delivery.withheld,
    })),
    whenPublished: momentView(item.whenPublished),
    today: momentView(item.today),
    needs,
    approveUrl,
  };
}

function waitView({ reason, since, until, behind }: Wait): Record<string, unknown> {
  return { reason, since: time(since), until: time(until), behindEventId: behind };
}

function momentView(moment: ExplainedMoment): Record<string, unknown> {
  if (moment.wouldBeSent) return { ...moment };
  const { because, message } = moment;
  return { wouldBeSent: false, reason: because.reason, message, ...times(because) };
}

function times({ since, until }: Because): { since: string | null; until: string | null } {
  return { since: time(since), until: time(until) };
}
