// GET, POST /operator/v1/installations · GET, PATCH, DELETE /operator/v1/installations/{id} · POST …/{id}/rotate-secret

import type Router from '@koa/router';
import type { Context } from 'koa';
import { changeInstallation } from '../../host/change-installation.ts';
import { install } from '../../host/install.ts';
import type { HostParts } from '../../host/parts.ts';
import { rotateSecret } from '../../host/rotate-secret.ts';
import { installationNotFound, uninstall } from '../../host/uninstall.ts';
import { readJson, readJsonObject, requireObject } from '../body.ts';
import { descriptorInput } from '../descriptor-input.ts';
import {
  optionalBoolean,
  optionalOneOf,
  optionalString,
  optionalStrings,
  optionalStringsOrNull,
  refuseOthers,
} from '../fields.ts';
import { listPage } from '../list-page.ts';
import { exchangeView, installationView, rotationView } from './views.ts';

export function installationRoutes(router: Router, parts: HostParts): void {
  router.post('/installations', async (ctx) => {
    const source = await readJson(ctx);
    const body = requireObject(source.value);
    refuseOthers(body, [
      'descriptorUrl',
      'descriptor',
      'context',
      'scopes',
      'resources',
      'acceptNewOrigin',
    ]);
    const installed = await install(
      {
        ...descriptorInput(source, body),
        context: optionalString(body, 'context'),
        scopes: optionalStrings(body, 'scopes'),
        resources: optionalStringsOrNull(body, 'resources') ?? undefined,
        acceptNewOrigin: optionalBoolean(body, 'acceptNewOrigin'),
      },
      parts,
    );
    ctx.status = 201;
    ctx.set('Location', `/operator/v1/installations/${installed.installation.id}`);
    ctx.body = {
      ...(await installationView(installed.installation, parts)),
      warnings: installed.warnings,
      exchanges: installed.exchanges.map(exchangeView),
    };
  });

  router.get('/installations', async (ctx) => {
    const state = optionalOneOf(ctx.query, 'state', [
      'pending',
      'enabled',
      'disabled',
      'uninstalled',
    ]);
    const read = (page: { after?: string; limit: number }) =>
      parts.store.installations.list({ state, ...page });
    ctx.body = await listPage(ctx.query, read, (row) => installationView(row, parts));
  });

  router.get('/installations/:id', async (ctx) => {
    const row = await find(ctx, parts);
    const exchanges = await parts.store.lifecycle.exchanges(row.id, 20);
    ctx.body = { ...(await installationView(row, parts)), exchanges: exchanges.map(exchangeView) };
  });

  router.patch('/installations/:id', async (ctx) => {
    const body = await readJsonObject(ctx);
    refuseOthers(body, ['state', 'scopes', 'resources']);
    const changed = await changeInstallation(
      ctx.params.id!,
      {
        state: optionalOneOf(body, 'state', ['enabled', 'disabled']),
        scopes: optionalStrings(body, 'scopes'),
        resources: optionalStringsOrNull(body, 'resources'),
      },
      parts,
    );
    ctx.body = await installationView(changed, parts);
  });

  router.post('/installations/:id/rotate-secret', async (ctx) => {
    ctx.body = rotationView(await rotateSecret(ctx.params.id!, parts));
  });

  router.delete('/installations/:id', async (ctx) => {
    await uninstall(ctx.params.id!, parts);
    ctx.status = 204;
  });
}

async function find(ctx: Context & { params: Record<string, string> }, parts: HostParts) {
  const row = await parts.store.installations.find(ctx.params.id!);
  if (!row) throw installationNotFound(ctx.params.id!);
  return row;
}
