// POST /operator/v1/installations/{id}/test · POST /operator/v1/installations/{id}/recover
import type Router from '@koa/router';
import { RateLimit } from '../../core/rate-limit.ts';
import type { HostParts } from '../../host/parts.ts';
import { type Recovered, recover } from '../../host/recover.ts';
import { type TestRequest, testWebhooks } from '../../host/test-delivery.ts';
import { readOptionalJsonObject } from '../body.ts';
import { optionalOneOf, optionalString, optionalTime, refuseOthers } from '../fields.ts';
import { refuseTooMany } from '../too-many.ts';
import { ALLOWED, replayView } from './replays.ts';
import { deliveryReportView, testedView } from './views.ts';

/** Each waits for the add-on, up to 15 seconds. */
const TESTS_PER_MINUTE = 60;

export function recoveryRoutes(router: Router, parts: HostParts): void {
  const tests = new RateLimit(TESTS_PER_MINUTE, parts.settings.clock);

  router.post('/installations/:id/test', async (ctx) => {
    const id = ctx.params.id!;
    const request = readTest(await readOptionalJsonObject(ctx));
    refuseTooMany(ctx, tests, id);
    ctx.body = { items: (await testWebhooks(id, request, parts)).map(testedView) };
  });

  router.post('/installations/:id/recover', async (ctx) => {
    const body = await readOptionalJsonObject(ctx);
    refuseOthers(body, ['since', 'allowed']);
    const recovered = await recover(
      ctx.params.id!,
      {
        since: optionalTime(body, 'since'),
        allowed: optionalOneOf(body, 'allowed', ALLOWED),
      },
      parts,
    );
    ctx.body = recoveredView(recovered);
  });
}

export function readTest(body: Record<string, unknown>): TestRequest {
  refuseOthers(body, ['eventType', 'webhook']);
  return {
    eventType: optionalString(body, 'eventType'),
    webhookId: optionalString(body, 'webhook'),
  };
}

export function recoveredView({
  webhooksOn,
  replay,
  delivery,
}: Recovered): Record<string, unknown> {
  return {
    webhooksOn,
    replay: replay ? replayView(replay) : null,
    delivery: deliveryReportView(delivery),
  };
}
