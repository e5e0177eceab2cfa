// The server of guarded-call, a process of its own: each route twice, guarded and not.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import Router from '@koa/router';
import Database from 'better-sqlite3';
import Koa, { type Context } from 'koa';
import { answerQuestions, readSettings } from './processes/child.ts';
import { openHost, RESOURCE } from './seeded-host.ts';

const MOST_INSTALLATIONS = 1000;

const { database } = readSettings<{ database: string }>();
const host = openHost(database);
const router = new Router();
const answer = (ctx: Context) => {
  ctx.body = { full_name: `${ctx.params.workspace}/${RESOURCE}`, is_private: true };
};
const readRow = productRoute(`${database}-product`);
const guard = host.guard('repository', { resource: '{workspace}/{repo}' });
router.get('/open/:workspace/:repo', answer);
router.get('/kept/:workspace/:repo', guard, answer);
router.get('/open-row/:workspace/:repo', readRow);
router.get('/kept-row/:workspace/:repo', guard, readRow);
const app = new Koa();
// Without Mortise's own doors in front: they would cost both routes the same and flatter the ratio.
app.use(router.routes());

const server = createServer(app.callback());
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
const { port } = server.address() as AddressInfo;

answerQuestions({ origin: () => `http://127.0.0.1:${port}` }, () => host.close());

/** The least a real route does: one row of the product's own database, answered as 1 KB of JSON. */
function productRoute(file: string): (ctx: Context) => void {
  const db = new Database(file);
  db.pragma('journal_mode = WAL');
  db.exec('CREATE TABLE repositories (full_name TEXT PRIMARY KEY, description TEXT, size INTEGER)');
  const insert = db.prepare('INSERT INTO repositories VALUES (?, ?, ?)');
  db.transaction(() => {
    for (let i = 0; i < MOST_INSTALLATIONS; i++)
      insert.run(`team-${i}/${RESOURCE}`, 'About it. '.repeat(95), i);
  })();
  const find = db.prepare<[string]>('SELECT * FROM repositories WHERE full_name = ?');
  return (ctx) => {
    ctx.body = find.get(`${ctx.params.workspace}/${ctx.params.repo}`);
  };
}
