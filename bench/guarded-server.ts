// The server of guarded-call, a process of its own: one route twice, guarded and not. It ends with its parent.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import Router from '@koa/router';
import Koa, { type Context } from 'koa';
import { openHost, RESOURCE } from './seeded-host.ts';

const host = openHost(process.argv[2]!);
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
server.listen(0, '127.0.0.1', () => {
  process.send?.({ port: (server.address() as AddressInfo).port });
});
process.on('message', () => {
  const { user, system } = process.cpuUsage();
  process.send?.({ cpu: user + system });
});
process.once('disconnect', async () => {
  await host.close();
  process.exit();
});
