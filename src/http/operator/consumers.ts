// /operator/v1/consumers · /grants · /users/{id}/deactivate

import type Router from '@koa/router';
import { isoTime } from '../../core/clock.ts';
import { MortiseError } from '../../core/errors.ts';
import {
  changeConsumer,
  consumerNotFound,
  registerConsumer,
  removeConsumer,
  rotateConsumerSecret,
  upgradeConsumer,
} from '../../host/consumers.ts';
import { deactivateUser, endGrant } from '../../host/grants.ts';
import type { HostParts } from '../../host/parts.ts';
import type { Consumer, GrantView } from '../../store/oauth-rows.ts';
import { readJsonObject } from '../body.ts';
import {
  optionalBoolean,
  optionalString,
  optionalStrings,
  optionalStringsOrNull,
  refuseOthers,
  requiredStrings,
} from '../fields.ts';
import { listPage } from '../list-page.ts';
import { time } from './views.ts';

export function consumerRoutes(router: Router, parts: HostParts): void {
  router.post('/consumers', async (ctx) => {
    const body = await readJsonObject(ctx);
    refuseOthers(body, [
      'name',
      'redirectUris',
      'eventsUri',
      'scopes',
      'public',
      'oauth1',
      'owner',
      'clientId',
      'clientSecret',
    ]);
    const clientId = optionalString(body, 'clientId');
    const clientSecret = optionalString(body, 'clientSecret');
    if ((clientId === undefined) !== (clientSecret === undefined)) throw halfImport();
    const { consumer, clientSecret: secret } = await registerConsumer(
      {
        name: optionalString(body, 'name') ?? clientId ?? '',
        redirectUris: optionalStrings(body, 'redirectUris') ?? [],
        eventsUri: optionalString(body, 'eventsUri'),
        scopes:
          optionalStringsOrNull(body, 'scopes') === undefined
            ? []
            : optionalStringsOrNull(body, 'scopes')!,
        isPublic: optionalBoolean(body, 'public'),
        isOauth1: optionalBoolean(body, 'oauth1'),
        owner: optionalString(body, 'owner') ?? parts.settings.defaultOwner,
        imported:
          clientId !== undefined && clientSecret !== undefined
            ? { clientId, clientSecret }
            : undefined,
      },
      parts,
    );
    ctx.status = 201;
    ctx.set('Cache-Control', 'no-store');
    ctx.body = { ...consumerView(consumer), ...(secret !== undefined && { clientSecret: secret }) };
  });

  router.get('/consumers', async (ctx) => {
    ctx.body = await listPage(ctx.query, (page) => parts.store.consumers.list(page), consumerView);
  });

  router.get('/consumers/:id', async (ctx) => {
    const consumer = await parts.store.consumers.find(ctx.params.id!);
    if (!consumer) throw consumerNotFound(ctx.params.id!);
    ctx.body = consumerView(consumer);
  });

  router.patch('/consumers/:id', async (ctx) => {
    const body = await readJsonObject(ctx);
    refuseOthers(body, ['name', 'redirectUris', 'eventsUri', 'scopes', 'rotateSecret']);
    const consumer = await changeConsumer(
      ctx.params.id!,
      {
        name: optionalString(body, 'name'),
        redirectUris: optionalStrings(body, 'redirectUris'),
        eventsUri: body.eventsUri === null ? null : optionalString(body, 'eventsUri'),
        scopes: optionalStrings(body, 'scopes'),
      },
      parts,
    );
    const secret = optionalBoolean(body, 'rotateSecret')
      ? await rotateConsumerSecret(consumer.id, parts)
      : undefined;
    ctx.body = { ...consumerView(consumer), ...(secret !== undefined && { clientSecret: secret }) };
  });

  router.post('/consumers/:id/upgrade', async (ctx) => {
    const body = await readJsonObject(ctx);
    refuseOthers(body, ['scopes']);
    const { consumer, used } = await upgradeConsumer(
      ctx.params.id!,
      requiredStrings(body, 'scopes'),
      parts,
    );
    ctx.body = {
      ...consumerView(consumer),
      usedScopes: used.map(({ scope, lastUsedAt, isCovered }) => ({
        scope,
        lastUsedAt: isoTime(lastUsedAt),
        covered: isCovered,
      })),
    };
  });

  router.delete('/consumers/:id', async (ctx) => {
    await removeConsumer(ctx.params.id!, parts);
    ctx.status = 204;
  });
}

export function grantRoutes(router: Router, parts: HostParts): void {
  router.get('/grants', async (ctx) => {
    const userId = optionalString(ctx.query, 'user');
    const read = (page: { after?: string; limit: number }) =>
      parts.store.grants.list({ userId, ...page });
    ctx.body = await listPage(ctx.query, read, grantView);
  });
  router.delete('/grants/:id', async (ctx) => {
    await endGrant(ctx.params.id!, parts);
    ctx.status = 204;
  });
  router.post('/users/:id/deactivate', async (ctx) => {
    const ended = await deactivateUser(ctx.params.id!, parts);
    ctx.body = { id: ctx.params.id, endedGrants: ended };
  });
}

function halfImport(): MortiseError {
  return new MortiseError({
    code: 'consumer_invalid',
    status: 422,
    message: 'An import has both "clientId" and "clientSecret".',
    hint: 'Send both to bring a consumer along, or neither to have them made.',
  });
}

function consumerView(consumer: Consumer): Record<string, unknown> {
  const {
    id,
    name,
    redirectUris,
    eventsUri,
    scopes,
    isPublic,
    isOauth1,
    ownerContext,
    ownerUser,
    createdAt,
    updatedAt,
  } = consumer;
  return {
    clientId: id,
    name,
    redirectUris,
    eventsUri,
    scopes,
    grandfathered: scopes === null,
    public: isPublic,
    oauth1: isOauth1,
    owner: ownerContext === '' ? null : ownerContext,
    ownerUser,
    createdAt: isoTime(createdAt),
    updatedAt: time(updatedAt),
  };
}

function grantView(grant: GrantView): Record<string, unknown> {
  const { id, clientId, consumerName, userId, installationId, kind, context, scopes, resources } =
    grant;
  return {
    id,
    clientId,
    consumerName,
    user: userId,
    installationId,
    kind,
    context: context === '' ? null : context,
    scopes,
    resources,
    grandfathered: grant.isGrandfathered,
    since: isoTime(grant.since),
    lastUsedAt: time(grant.lastUsedAt),
    lastUsedFrom: grant.lastUsedFrom,
  };
}
