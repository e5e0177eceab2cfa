// /2.0/workspaces/{workspace}/hooks: what is sent to whom. Add-ons bring their webhooks, so there is nothing to create.
import type { CodeHostParts } from '../parts.ts';
import type { Api } from './api.ts';

export function hookRoutes(api: Api, { hooks }: CodeHostParts): void {
  api.get('/2.0/workspaces/{workspace}/hooks', 'webhook', async (ctx) => {
    const found = await hooks(ctx.params.workspace!);
    ctx.body = {
      pagelen: found.length,
      values: found.map(({ id, event, url, addonKey }) => ({
        type: 'webhook_subscription',
        uuid: `{${id}}`,
        subject_type: 'workspace',
        description: addonKey,
        url,
        events: [event],
        active: true,
      })),
    };
  });
}
