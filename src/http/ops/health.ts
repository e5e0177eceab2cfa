// /healthz: the process lives. /readyz: requests are served. For whatever watches over the host.
import type Router from '@koa/router';
import type { HostParts } from '../../host/parts.ts';

export function healthRoutes(router: Router, parts: HostParts): void {
  router.get('/healthz', (ctx) => {
    ctx.body = { status: 'ok' };
  });
  router.get('/readyz', async (ctx) => {
    await parts.installKey();
    ctx.body = { status: 'ready' };
  });
}
