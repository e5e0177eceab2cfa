// /2.0/user, /2.0/repositories/{workspace}/{repository} and its commits.
import type Router from '@koa/router';
import type { Context, Next } from 'koa';
import type { GuardState } from 'mortise';
import type { GitParts } from '../git-http.ts';
import { bitbucketError } from './errors.ts';

export const REPOSITORY = '/2.0/repositories/:workspace/:repository';
export const RESOURCE = { resource: '{workspace}/{repository}' };

export function repositoryRoutes(router: Router, { host, repositories, payloads }: GitParts): void {
  const read = host.guard('repository', RESOURCE);
  const known = knownRepository(repositories);

  router.get('/2.0/user', host.guard('account'), (ctx) => {
    const { installation } = ctx.state.mortise as GuardState;
    ctx.body = payloads.workspace(installation?.context ?? 'acme');
  });
  router.get(REPOSITORY, read, known, (ctx) => {
    ctx.body = payloads.repository(fullName(ctx));
  });
  router.get(`${REPOSITORY}/commits`, read, known, async (ctx) => {
    const commits = await repositories
      .commits(fullName(ctx), 'HEAD', { limit: 30 })
      .catch(() => []);
    ctx.body = {
      pagelen: 30,
      values: commits.map((commit) => payloads.commit(fullName(ctx), commit)),
    };
  });
  router.get(`${REPOSITORY}/commit/:commit`, read, known, async (ctx) => {
    const commit = await repositories.findCommit(fullName(ctx), ctx.params.commit!);
    if (!commit) return bitbucketError(ctx, 404, 'Commit not found');
    ctx.body = payloads.commit(fullName(ctx), commit);
  });
}

export function fullName(ctx: Context): string {
  return `${ctx.params.workspace}/${ctx.params.repository}`;
}

export function knownRepository(repositories: GitParts['repositories']) {
  return async (ctx: Context, next: Next): Promise<void> => {
    if (repositories.exists(fullName(ctx))) return next();
    bitbucketError(ctx, 404, `Repository ${fullName(ctx)} not found`);
  };
}
