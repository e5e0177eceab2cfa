// git over smart HTTP by `git http-backend`: clone needs the scope `repository`, push `repository:write`. Users sign
// in with their own name; add-ons and consumers as x-token-auth with an access token as password.
import { spawn } from 'node:child_process';
import { PassThrough } from 'node:stream';
import type Router from '@koa/router';
import type { Context, Middleware, Next } from 'koa';
import compose from 'koa-compose';
import { actorOf } from './actors.ts';
import type { CodeHostParts } from './parts.ts';
import { fullName } from './rest/api.ts';
import { requireRight } from './rights.ts';
import { signedInUser } from './users.ts';

const TOKEN_USER = 'x-token-auth';
const MOST_PUSH_ANSWER_BYTES = 16 * 1024 * 1024;

export function gitRoutes(router: Router, parts: CodeHostParts): void {
  const options = { resource: '{workspace}/{repository}', basicUser: TOKEN_USER };
  const mayRead = [
    userOr(parts, parts.host.guard('repository', options)),
    requireRight(parts.db, 'read'),
  ];
  const mayWrite = [
    userOr(parts, parts.host.guard('repository:write', options)),
    requireRight(parts.db, 'write'),
  ];
  const byService = (ctx: Context, next: Next) =>
    compose([ctx.query.service].flat().includes('git-receive-pack') ? mayWrite : mayRead)(
      ctx,
      next,
    );

  router.get('/:workspace/:repository.git/info/refs', byService, (ctx) => serve(ctx, parts));
  router.post('/:workspace/:repository.git/git-upload-pack', ...mayRead, (ctx) =>
    serve(ctx, parts),
  );
  router.post('/:workspace/:repository.git/git-receive-pack', ...mayWrite, (ctx) =>
    receive(ctx, parts),
  );
}

/** A person's own password needs no scopes; tokens go through the guard. */
function userOr({ db }: CodeHostParts, guard: Middleware): Middleware {
  return async (ctx, next) => {
    const user = signedInUser(db, ctx.get('authorization'));
    if (!user) return guard(ctx, next);
    ctx.state.user = user;
    await next();
  };
}

/** The push is on record, and its event is published, before git is told that it worked. */
async function receive(ctx: Context, parts: CodeHostParts): Promise<void> {
  await serve(ctx, parts, async () => {
    await parts.pushes.record(fullName(ctx), actorOf(ctx));
  });
}

async function serve(
  ctx: Context,
  { repositories }: CodeHostParts,
  beforeEnd?: () => Promise<void>,
): Promise<void> {
  if (!repositories.exists(fullName(ctx))) {
    ctx.status = 404;
    ctx.body = 'There is no such repository.\n';
    return;
  }
  const backend = spawn('git', ['http-backend'], { env: cgiEnvironment(ctx, repositories.root) });
  backend.stdin.on('error', () => undefined);
  ctx.req.pipe(backend.stdin);
  ctx.res.on('close', () => backend.kill());

  // What a push answers is held back whole, so it must fit.
  const body = new PassThrough({ highWaterMark: beforeEnd ? MOST_PUSH_ANSWER_BYTES : undefined });
  await readCgiHeaders(ctx, backend.stdout, body);
  ctx.body = body;
  const ended = new Promise<void>((resolve) => backend.stdout.once('end', resolve));
  backend.stdout.on('data', (chunk: Buffer) => {
    if (!body.write(chunk)) {
      backend.stdout.pause();
      body.once('drain', () => backend.stdout.resume());
    }
  });
  const finished = ended.then(beforeEnd).then(
    () => body.end(),
    (error: Error) => body.destroy(error),
  );
  // A push answers in a few hundred bytes: they wait for the record. A clone streams.
  if (beforeEnd) await finished;
}

/** RFC 3875: what the backend needs to know of the request. */
function cgiEnvironment(ctx: Context, root: string): NodeJS.ProcessEnv {
  return {
    PATH: process.env.PATH,
    HOME: root,
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_PROJECT_ROOT: root,
    GIT_HTTP_EXPORT_ALL: '1',
    REQUEST_METHOD: ctx.method,
    PATH_INFO: ctx.path,
    QUERY_STRING: ctx.querystring,
    CONTENT_TYPE: ctx.get('content-type'),
    HTTP_CONTENT_ENCODING: ctx.get('content-encoding'),
    GIT_PROTOCOL: ctx.get('git-protocol'),
    // A chunked body has no length: the backend reads to its end.
    ...(ctx.get('content-length') && { CONTENT_LENGTH: ctx.get('content-length') }),
    REMOTE_USER: 'git',
    REMOTE_ADDR: ctx.ip,
  };
}

/** Headers up to the empty line become the answer's; what follows is the beginning of the body. */
function readCgiHeaders(
  ctx: Context,
  stdout: NodeJS.ReadableStream,
  body: PassThrough,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let head = Buffer.alloc(0);
    const read = (chunk: Buffer): void => {
      head = Buffer.concat([head, chunk]);
      const end = head.indexOf('\r\n\r\n');
      if (end < 0) return;
      stdout.removeListener('data', read);
      ctx.status = 200;
      for (const line of head.subarray(0, end).toString('latin1').split('\r\n')) {
        const [name = '', value = ''] = line.split(/: (.*)/s);
        if (name.toLowerCase() === 'status') ctx.status = Number.parseInt(value, 10);
        else ctx.set(name, value);
      }
      if (head.length > end + 4) body.write(head.subarray(end + 4));
      resolve();
    };
    stdout.on('data', read);
    stdout.once('end', () => reject(new Error('git http-backend ended without an answer')));
  });
}
