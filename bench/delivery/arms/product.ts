// A product with Mortise in it: a plain Koa route and the engine on one event loop.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import Router from '@koa/router';
import Koa from 'koa';
import { newId } from '../../../src/core/ids.ts';
import { answerQuestions, readSettings } from '../../processes/child.ts';
import { openHost } from '../../seeded-host.ts';
import type { ArmSettings } from '../arm.ts';
import { installAddons } from '../install-addons.ts';
import { EVENT_TYPE, pushPayload } from '../push-event.ts';

const { addons, folder } = readSettings<ArmSettings>();
const host = openHost(join(folder, 'mortise.db'));
await installAddons(host, addons);
await host.start();

const router = new Router();
router.get('/ping', (ctx) => {
  ctx.body = { pong: true };
});
const app = new Koa();
app.use(router.routes());
const server = createServer(app.callback());
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));

const PER_COMMIT = 1_000;
const RESOLUTION_MS = 1;
const NS_PER_MS = 1e6;
const payload = Buffer.from(JSON.stringify(pushPayload()));
const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });

answerQuestions(
  {
    origin: () => `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    /** Events enough for a while, in as little time as can be: the engine is what is looked at. */
    async owe(events: number) {
      for (let i = 0; i < events; i += PER_COMMIT) {
        await host.parts.store.events.publish(
          Array.from({ length: Math.min(PER_COMMIT, events - i) }, (_, k) => eventFor(i + k)),
        );
      }
      host.parts.wake();
    },
    watchDelay() {
      delay.reset();
      delay.enable();
    },
    /** 99th percentile since then, ms; includes the resolution. */
    delay() {
      delay.disable();
      return delay.percentile(99) / NS_PER_MS;
    },
  },
  () => host.close(),
);

function eventFor(i: number) {
  return {
    id: newId(),
    type: EVENT_TYPE,
    context: addons[i % addons.length]!.context,
    resource: 'team/site',
    actor: null,
    orderingKey: null,
    traceId: null,
    payload,
    createdAt: Date.now(),
    idempotency: null,
  };
}
