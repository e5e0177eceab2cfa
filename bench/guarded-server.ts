// The server of guarded-call, a process of its own: one route twice, guarded and not.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import Router from '@koa/router';
import Koa, { type Context } from 'koa';
import { answerQuestions, readSettings } from './processes/child.ts';
import { openHost, RESOURCE } from './seeded-host.ts';

const { database } = readSettings<{ database: string }>();
const host = openHost(database);
const router = new Router();
const answer = (ctx: Context) => {
  ctx.body = { full_name: `${ctx.params.workspace}/${RESOURCE}`, is_private: true };
};
const resource = '{workspace}/{repo}';
router.get('/open/:workspace/:repo', answer);
router.get('/kept/:workspace/:repo', host.guard('repository', { resource }), answer);
const app = new Koa();
// Without Mortise's own doors in front: they would cost both routes the same and flatter the ratio.
app.use(router.routes());

const server = createServer(app.callback());
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
const { port } = server.address() as AddressInfo;

answerQuestions({ origin: () => `http://127.0.0.1:${port}` }, () => host.close());
