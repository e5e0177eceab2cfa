// GET /schemas/descriptor.json: what add-on authors point "$schema" at.
import type Router from '@koa/router';
import type { HostParts } from '../../host/parts.ts';
import { descriptorSchema } from '../../platform/descriptor-schema.ts';

export function schemaRoutes(router: Router, parts: HostParts): void {
  const schema = descriptorSchema(parts.settings.platform, parts.settings.baseUrl);
  router.get('/schemas/descriptor.json', (ctx) => {
    ctx.set('Access-Control-Allow-Origin', '*');
    ctx.type = 'application/schema+json';
    ctx.body = schema;
  });
}
