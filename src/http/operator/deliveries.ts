// GET /operator/v1/deliveries?installation=&event=&state=&since= · GET /operator/v1/deliveries/{id}
import type Router from '@koa/router';
import type { HostParts } from '../../host/parts.ts';
import { optionalOneOf, optionalString, optionalTime, pageLimit } from '../fields.ts';
import { notFound } from '../problem.ts';
import { deliveryView } from './views.ts';

export function deliveryRoutes(router: Router, parts: HostParts): void {
  router.get('/deliveries', async (ctx) => {
    const { items, next } = await parts.store.deliveries.list({
      installationId: optionalString(ctx.query, 'installation'),
      eventId: optionalString(ctx.query, 'event'),
      state: optionalOneOf(ctx.query, 'state', [
        'pending',
        'retrying',
        'delivered',
        'failed',
        'dropped',
      ]),
      since: optionalTime(ctx.query, 'since'),
      after: optionalString(ctx.query, 'after'),
      limit: pageLimit(ctx.query),
    });
    ctx.body = { items: items.map(deliveryView), next };
  });

  router.get('/deliveries/:id', async (ctx) => {
    const delivery = await parts.store.deliveries.find(ctx.params.id!);
    if (!delivery)
      throw notFound(
        `There is no delivery "${ctx.params.id}".`,
        'GET /operator/v1/deliveries lists them.',
      );
    ctx.body = deliveryView(delivery);
  });
}
