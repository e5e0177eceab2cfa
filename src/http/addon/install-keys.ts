// The public halves of the install keys: bare PEM at /install-keys/{kid}, the same as a JWK Set.
import type Router from '@koa/router';
import type { HostParts } from '../../host/parts.ts';
import { toJwks } from '../../lifecycle/install-key.ts';
import { notFound } from '../problem.ts';

/** A kid is never used again, so what it names may be kept for ever. */
const KEEP = 'public, max-age=31536000, immutable';

export function installKeyRoutes(router: Router, parts: HostParts): void {
  router.get('/install-keys/:kid', async (ctx) => {
    await parts.installKey();
    const key = (await parts.store.installKeys.list()).find(({ kid }) => kid === ctx.params.kid);
    if (!key)
      throw notFound(
        `There is no install key "${ctx.params.kid}".`,
        'The keys in use are at /.well-known/jwks.json.',
      );
    ctx.set('Cache-Control', KEEP);
    ctx.type = 'text/plain';
    ctx.body = key.publicPem;
  });
  router.get('/.well-known/jwks.json', async (ctx) => {
    await parts.installKey();
    ctx.set('Cache-Control', 'public, max-age=300');
    ctx.body = toJwks(await parts.store.installKeys.list());
  });
}
