// Files: read at a commit; written as a new commit, which is a push like any other.
import type { RouterContext } from '@koa/router';
import getRawBody from 'raw-body';
import { actorOf, userName } from '../actors.ts';
import { commitFiles, type NewCommit } from '../commit-files.ts';
import type { CodeHostParts } from '../parts.ts';
import { findUser } from '../users.ts';
import { type Api, fullName, REPOSITORY } from './api.ts';
import { bitbucketError } from './errors.ts';

/** Fields of the form that are not files. */
const OPTIONS = ['message', 'author', 'parents', 'files', 'branch'];

export function sourceRoutes(api: Api, parts: CodeHostParts): void {
  const { db, repositories, payloads, pushes } = parts;

  api.get(`${REPOSITORY}/src`, 'repository', (ctx) => show(ctx, 'HEAD', ''));

  api.get(`${REPOSITORY}/src/{commit}/{path}`, 'repository', (ctx) =>
    show(ctx, ctx.params.commit!, ctx.params.path!),
  );

  api.post(`${REPOSITORY}/src`, 'repository:write', async (ctx) => {
    const form = await readForm(ctx);
    if (!form) return bitbucketError(ctx, 400, 'The body must be a form.');
    const actor = actorOf(ctx);
    const name = userName(actor);
    const author =
      name === undefined ? { name: actor, email: `${actor}@apps.example.test` } : person(name);
    let hash: string;
    try {
      const commit = await newCommit(form, author);
      if (commit.files.length + commit.removed.length === 0)
        return bitbucketError(ctx, 400, 'The form names no file.');
      hash = await commitFiles(repositories.path(fullName(ctx)), commit);
    } catch (error) {
      const said = (error as { stderr?: string }).stderr?.trim();
      if (said === undefined) throw error;
      return bitbucketError(ctx, 400, `git refused it: ${said || 'the branch has no such name'}`);
    }
    await pushes.record(fullName(ctx), actor);
    const made = (await repositories.findCommit(fullName(ctx), hash))!;
    ctx.status = 201;
    ctx.set('Location', `${payloads.baseUrl}/2.0/repositories/${fullName(ctx)}/commit/${hash}`);
    ctx.body = payloads.commit(fullName(ctx), made);
  });

  async function show(ctx: RouterContext, at: string, path: string): Promise<void> {
    const name = fullName(ctx);
    const hash = await repositories.resolve(name, at);
    if (hash === undefined) return bitbucketError(ctx, 404, 'Commit not found');
    const found = await repositories.read(name, hash, path);
    if (!found) return bitbucketError(ctx, 404, `No such file or directory: ${path}`);
    if ('content' in found) {
      // Anybody's file on the product's own origin: never a page.
      ctx.set('X-Content-Type-Options', 'nosniff');
      ctx.type = found.content.includes(0) ? 'application/octet-stream' : 'text/plain';
      ctx.body = found.content;
      return;
    }
    const folder = path.replace(/\/*$/, path === '' ? '' : '/');
    ctx.body = {
      pagelen: found.entries.length,
      values: found.entries.map((entry) => ({
        type: entry.isFolder ? 'commit_directory' : 'commit_file',
        path: folder + entry.name,
        ...(!entry.isFolder && { size: entry.size }),
        commit: { type: 'commit', hash },
      })),
    };
  }

  function person(name: string): NewCommit['author'] {
    const { display_name, email } = findUser(db, name);
    return { name: display_name, email };
  }
}

async function readForm(ctx: RouterContext): Promise<FormData | undefined> {
  const body = await getRawBody(ctx.req, { limit: '8mb' }).catch(() => undefined);
  if (!body) return undefined;
  const headers = { 'content-type': ctx.get('content-type') };
  return new Response(new Uint8Array(body), { headers }).formData().catch(() => undefined);
}

/** Bitbucket's form: a field per file, its name the path; "files" alone names what is to be deleted. */
async function newCommit(form: FormData, author: NewCommit['author']): Promise<NewCommit> {
  const files: NewCommit['files'] = [];
  for (const [name, value] of form.entries()) {
    if (OPTIONS.includes(name)) continue;
    const content = typeof value === 'string' ? value : await value.arrayBuffer();
    files.push({ path: pathOf(name), content: Buffer.from(content as string) });
  }
  const written = files.map(({ path }) => path);
  return {
    branch: String(form.get('branch') ?? 'main'),
    message: String(form.get('message') ?? 'Change files'),
    author,
    files,
    removed: form
      .getAll('files')
      .map((name) => pathOf(String(name)))
      .filter((path) => !written.includes(path)),
  };
}

function pathOf(name: string): string {
  return name.replace(/^\/+/, '');
}
