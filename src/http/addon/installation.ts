// What an add-on asks about itself, with its own token: GET /addon/v1/installation, what it asked for, what it was
// granted and how its deliveries fare · POST …/test tries its webhooks · POST …/recover declares its endpoint well ·
// POST …/rotate-secret asks for new secrets, told by its installed call.
import type Router from '@koa/router';
import type { Context } from 'koa';
import { MortiseError } from '../../core/errors.ts';
import { RateLimit } from '../../core/rate-limit.ts';
import { findCaller } from '../../host/caller.ts';
import { deliveryReport } from '../../host/delivery-health.ts';
import { installedDescriptor } from '../../host/lifecycle-call.ts';
import type { HostParts } from '../../host/parts.ts';
import { recover } from '../../host/recover.ts';
import { rotateSecret } from '../../host/rotate-secret.ts';
import { testWebhooks } from '../../host/test-delivery.ts';
import type { InstallationRow } from '../../store/rows.ts';
import { readOptionalJsonObject } from '../body.ts';
import { optionalTime, refuseOthers } from '../fields.ts';
import { readTest, recoveredView } from '../operator/recovery.ts';
import { deliveryReportView, rotationView, testedView } from '../operator/views.ts';
import { refuseTooMany } from '../too-many.ts';

const PATH = '/addon/v1/installation';
const TESTS_PER_MINUTE = 10;
const RECOVERIES_PER_MINUTE = 6;
const ROTATIONS_PER_MINUTE = 6;

export function addonRoutes(router: Router, parts: HostParts): void {
  const { clock, platform } = parts.settings;
  const tests = new RateLimit(TESTS_PER_MINUTE, clock);
  const recoveries = new RateLimit(RECOVERIES_PER_MINUTE, clock);
  const rotations = new RateLimit(ROTATIONS_PER_MINUTE, clock);

  router.get(PATH, async (ctx) => {
    const { installation } = await callingAddon(ctx, parts);
    const grant = await parts.store.installations.findGrant(installation.id);
    const requested = installedDescriptor(installation, parts)?.scopes ?? [];
    const granted = grant?.scopes ?? [];
    const closure = platform.scopes.closure(granted);
    ctx.body = {
      id: installation.id,
      addonKey: installation.addonKey,
      clientKey: installation.clientKey,
      context: installation.context === '' ? null : installation.context,
      state: installation.state,
      requestedScopes: requested,
      scopes: granted,
      missingScopes: requested.filter((scope) => !closure.has(scope)),
      resources: grant?.resources ?? null,
      delivery: deliveryReportView(await deliveryReport(installation.id, parts)),
    };
  });

  router.post(`${PATH}/test`, async (ctx) => {
    const { id } = await itself(ctx, parts);
    const request = readTest(await readOptionalJsonObject(ctx));
    refuseTooMany(ctx, tests, id);
    ctx.body = { items: (await testWebhooks(id, request, parts)).map(testedView) };
  });

  // Whose grants count is the operator's to say: here it is always then-and-now.
  router.post(`${PATH}/recover`, async (ctx) => {
    const { id } = await itself(ctx, parts);
    const body = await readOptionalJsonObject(ctx);
    refuseOthers(body, ['since']);
    const since = optionalTime(body, 'since');
    refuseTooMany(ctx, recoveries, id);
    ctx.body = recoveredView(await recover(id, { since }, parts));
  });

  // It names no installation: it is the caller's own.
  router.post(`${PATH}/rotate-secret`, async (ctx) => {
    const { id } = await itself(ctx, parts);
    refuseTooMany(ctx, rotations, id);
    ctx.body = rotationView(await rotateSecret(id, parts));
  });
}

/** @throws invalid_token: what changes an installation is not for a token that acts as a user */
async function itself(ctx: Context, parts: HostParts): Promise<InstallationRow> {
  const { installation, userId } = await callingAddon(ctx, parts);
  if (userId !== null) throw notItsOwn(ctx, 'This token is for what a user may do.');
  return installation;
}

/** @throws invalid_token */
async function callingAddon(
  ctx: Context,
  parts: HostParts,
): Promise<{ installation: InstallationRow; userId: string | null }> {
  const request = {
    authorization: ctx.get('authorization') || undefined,
    method: ctx.method,
    url: ctx.originalUrl,
  };
  const decision = await findCaller(request, parts);
  if ('reason' in decision) throw notItsOwn(ctx, decision.reason);
  const caller = 'caller' in decision ? decision.caller : undefined;
  const row =
    caller?.installation && (await parts.store.installations.find(caller.installation.id));
  if (!row) throw notItsOwn(ctx, 'This call needs an access token of an installation.');
  return { installation: row, userId: caller.userId };
}

function notItsOwn(ctx: Context, message: string): MortiseError {
  ctx.set('WWW-Authenticate', 'Bearer realm="addon"');
  return new MortiseError({
    code: 'invalid_token',
    status: 401,
    message,
    hint: 'Fetch one at /oauth2/token with the credentials of the installed call.',
  });
}
