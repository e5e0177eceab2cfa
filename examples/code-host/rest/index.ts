// Bitbucket's REST 2.0, as far as this product has it.
import type Router from '@koa/router';
import type { CodeHostParts } from '../parts.ts';
import { accountRoutes } from './account.ts';
import { Api } from './api.ts';
import { commentRoutes } from './comments.ts';
import { commitRoutes } from './commits.ts';
import { bitbucketError } from './errors.ts';
import { hookRoutes } from './hooks.ts';
import { issueRoutes } from './issues.ts';
import { pullRequestRoutes } from './pull-requests.ts';
import { repositoryRoutes } from './repositories.ts';
import { snippetRoutes } from './snippets.ts';
import { sourceRoutes } from './source.ts';
import { statusRoutes } from './statuses.ts';
import { teamRoutes } from './teams.ts';
import { wikiRoutes } from './wiki.ts';

export function restApi(router: Router, parts: CodeHostParts): Api {
  const api = new Api(router, parts);
  accountRoutes(api, parts);
  teamRoutes(api, parts);
  repositoryRoutes(api, parts);
  commitRoutes(api, parts);
  statusRoutes(api, parts);
  sourceRoutes(api, parts);
  issueRoutes(api, parts);
  wikiRoutes(api, parts);
  pullRequestRoutes(api, parts);
  snippetRoutes(api, parts);
  commentRoutes(api, parts);
  hookRoutes(api, parts);
  router.all('/2.0/{*rest}', (ctx) => bitbucketError(ctx, 404, `There is no ${ctx.method} here.`));
  return api;
}
