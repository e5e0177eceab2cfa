// All doors as one Koa middleware: what is not ours goes on to the product.
import Router from '@koa/router';
import type { Middleware } from 'koa';
import compose from 'koa-compose';
import type { HostParts } from '../host/parts.ts';
import { installKeyRoutes } from './addon/install-keys.ts';
import { addonRoutes } from './addon/installation.ts';
import { schemaRoutes } from './authors/schemas.ts';
import { tokenRoute } from './oauth2/token.ts';
import { requireOperator } from './operator/auth.ts';
import { catalogueRoutes } from './operator/catalogue.ts';
import { deliveryRoutes } from './operator/deliveries.ts';
import { descriptorRoutes } from './operator/descriptors.ts';
import { eventRoutes } from './operator/events.ts';
import { installationRoutes } from './operator/installations.ts';
import { healthRoutes } from './ops/health.ts';
import { notFound, problems } from './problem.ts';

export function createRoutes(parts: HostParts): Middleware {
  return compose([publicDoors(parts).routes(), operatorApi(parts).routes()] as Middleware[]);
}

function publicDoors(parts: HostParts): Router {
  const router = new Router();
  router.use(problems(parts.settings.log));
  tokenRoute(router, parts);
  installKeyRoutes(router, parts);
  addonRoutes(router, parts);
  schemaRoutes(router, parts);
  healthRoutes(router, parts);
  return router;
}

function operatorApi(parts: HostParts): Router {
  const router = new Router({ prefix: '/operator/v1' });
  router.use(problems(parts.settings.log), requireOperator(parts.settings.operatorToken));
  installationRoutes(router, parts);
  eventRoutes(router, parts);
  deliveryRoutes(router, parts);
  catalogueRoutes(router, parts);
  descriptorRoutes(router, parts);
  router.all(['/', '/{*rest}'], (ctx) => {
    throw notFound(
      `There is no ${ctx.method} ${ctx.path}.`,
      'The calls of the operator API are in the README.',
    );
  });
  return router;
}
