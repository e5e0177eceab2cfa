// All doors as one Koa middleware: what is not ours goes on to the product.
import Router from '@koa/router';
import type { Middleware } from 'koa';
import compose from 'koa-compose';
import type { HostParts } from '../host/parts.ts';
import { authorizationRoutes } from './account/authorizations.ts';
import { accountConsumerRoutes } from './account/consumers.ts';
import { oidcRoutes } from './account/oidc.ts';
import { signInRoutes } from './account/sign-in.ts';
import { installKeyRoutes } from './addon/install-keys.ts';
import { addonRoutes } from './addon/installation.ts';
import { schemaRoutes } from './authors/schemas.ts';
import { pages } from './browser/pages.ts';
import { counted } from './counted.ts';
import { authenticateRoutes } from './oauth1/authenticate.ts';
import { oauth1TokenRoutes } from './oauth1/token.ts';
import { authorizeRoutes } from './oauth2/authorize.ts';
import { forwardAuthRoute } from './oauth2/forward-auth.ts';
import { metadataRoute } from './oauth2/metadata.ts';
import { tokenRoutes } from './oauth2/token.ts';
import { requireOperator } from './operator/auth.ts';
import { catalogueRoutes } from './operator/catalogue.ts';
import { consumerRoutes, grantRoutes } from './operator/consumers.ts';
import { deliveryRoutes } from './operator/deliveries.ts';
import { descriptorRoutes } from './operator/descriptors.ts';
import { eventRoutes } from './operator/events.ts';
import { explanationRoutes } from './operator/explanation.ts';
import { installationRoutes } from './operator/installations.ts';
import { recoveryRoutes } from './operator/recovery.ts';
import { replayRoutes } from './operator/replays.ts';
import { securityEventRoutes } from './operator/security-events.ts';
import { installPageRoutes } from './operator-pages/install.ts';
import { installationPageRoutes } from './operator-pages/installations.ts';
import { healthRoutes } from './ops/health.ts';
import { metricsRoute } from './ops/metrics.ts';
import { notFound, problems } from './problem.ts';

export function createRoutes(parts: HostParts): Middleware {
  return compose([
    ...publicDoors(parts).map((router) => router.routes()),
    webPages(parts).routes(),
    operatorDoor(parts),
    operatorApi(parts).routes(),
  ] as Middleware[]);
}

type AddRoutes = (router: Router, parts: HostParts) => void;

/** By the names they are counted under. */
function publicDoors(parts: HostParts): Router[] {
  const door = (name: string, ...routes: AddRoutes[]) => {
    const router = new Router({ sensitive: true });
    router.use(counted(name, parts.metrics), problems(parts.settings.log));
    for (const add of routes) add(router, parts);
    return router;
  };
  return [
    door('oauth2', tokenRoutes, metadataRoute, forwardAuthRoute),
    door('oauth1', oauth1TokenRoutes),
    door('addon', installKeyRoutes, addonRoutes),
    door('authors', schemaRoutes),
    door('operations', healthRoutes, metricsRoute),
  ];
}

function webPages(parts: HostParts): Router {
  const router = new Router({ sensitive: true });
  router.use(counted('pages', parts.metrics), pages(parts));
  signInRoutes(router, parts);
  oidcRoutes(router, parts);
  authorizeRoutes(router, parts);
  authenticateRoutes(router, parts);
  authorizationRoutes(router, parts);
  accountConsumerRoutes(router, parts);
  installPageRoutes(router, parts);
  installationPageRoutes(router, parts);
  return router;
}

const OPERATOR_API = '/operator/v1';

/**
 * Stands before the router and does not rely on it: every spelling of the path that any router could take for ours
 * needs the token.
 */
function operatorDoor(parts: HostParts): Middleware {
  const { log, operatorToken } = parts.settings;
  const door = compose([
    counted('operator', parts.metrics),
    problems(log),
    requireOperator(operatorToken),
  ]) as Middleware;
  return (ctx, next) => (isOperatorPath(ctx.path) ? door(ctx, next) : next());
}

function isOperatorPath(path: string): boolean {
  const decoded = path.replace(/%([0-7][0-9a-f])/gi, (_, hex) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  const plain = decoded.replace(/\/+/g, '/').toLowerCase();
  return plain === OPERATOR_API || plain.startsWith(`${OPERATOR_API}/`);
}

function operatorApi(parts: HostParts): Router {
  const router = new Router({ prefix: OPERATOR_API, sensitive: true });
  installationRoutes(router, parts);
  eventRoutes(router, parts);
  explanationRoutes(router, parts);
  deliveryRoutes(router, parts);
  replayRoutes(router, parts);
  recoveryRoutes(router, parts);
  consumerRoutes(router, parts);
  grantRoutes(router, parts);
  securityEventRoutes(router, parts);
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
