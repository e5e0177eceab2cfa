// Commits of a repository.
import type { CodeHostParts } from '../parts.ts';
import { type Api, fullName, REPOSITORY } from './api.ts';
import { bitbucketError } from './errors.ts';

const SHOWN = 30;

export function commitRoutes(api: Api, { repositories, payloads }: CodeHostParts): void {
  api.get(`${REPOSITORY}/commits`, 'repository', async (ctx) => {
    const commits = await repositories
      .commits(fullName(ctx), 'HEAD', { limit: SHOWN })
      .catch(() => []);
    ctx.body = {
      pagelen: SHOWN,
      values: commits.map((commit) => payloads.commit(fullName(ctx), commit)),
    };
  });

  api.get(`${REPOSITORY}/commit/{commit}`, 'repository', async (ctx) => {
    const commit = await repositories.findCommit(fullName(ctx), ctx.params.commit!);
    if (!commit) return bitbucketError(ctx, 404, 'Commit not found');
    ctx.body = payloads.commit(fullName(ctx), commit);
  });
}
