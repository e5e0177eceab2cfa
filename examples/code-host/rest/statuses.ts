// Commit statuses: what a check says about a commit. Writing one publishes an event in the same transaction.
import type Router from '@koa/router';
import type { GuardState } from 'mortise';
import type { GitParts } from '../git-http.ts';
import { readBody } from './body.ts';
import { bitbucketError } from './errors.ts';
import { fullName, knownRepository, REPOSITORY, RESOURCE } from './repositories.ts';

const STATES = ['SUCCESSFUL', 'FAILED', 'INPROGRESS', 'STOPPED'];

export interface CommitStatus {
  repository: string;
  hash: string;
  key: string;
  state: string;
  name: string;
  description: string;
  url: string;
  created_on: string;
  updated_on: string;
}

export function statusRoutes(router: Router, parts: GitParts): void {
  const { db, host, repositories, payloads } = parts;
  const known = knownRepository(repositories);
  const at = `${REPOSITORY}/commit/:commit/statuses`;

  router.get(at, host.guard('repository', RESOURCE), known, (ctx) => {
    ctx.body = { values: listStatuses(parts, fullName(ctx), ctx.params.commit!).map(view) };
  });

  router.post(`${at}/build`, host.guard('repository:write', RESOURCE), known, async (ctx) => {
    const body = await readBody(ctx);
    if (!body) return;
    const { key, state, name = key, description = '', url = '' } = body;
    if (typeof key !== 'string' || key === '') return bitbucketError(ctx, 400, '"key" is missing');
    if (typeof state !== 'string' || !STATES.includes(state)) {
      return bitbucketError(ctx, 400, `"state" must be one of ${STATES.join(', ')}`);
    }
    const commit = await repositories.findCommit(fullName(ctx), ctx.params.commit!);
    if (!commit) return bitbucketError(ctx, 404, 'Commit not found');
    const now = new Date().toISOString();
    const before = listStatuses(parts, fullName(ctx), commit.hash).find(
      (status) => status.key === key,
    );
    const status: CommitStatus = {
      repository: fullName(ctx),
      hash: commit.hash,
      key,
      state,
      name: String(name),
      description: String(description),
      url: String(url),
      created_on: before?.created_on ?? now,
      updated_on: now,
    };
    const { installation, consumer } = ctx.state.mortise as GuardState;
    db.transaction(() => {
      db.prepare(
        `INSERT INTO code_statuses (repository, hash, key, state, name, description, url, created_on, updated_on)
         VALUES (@repository, @hash, @key, @state, @name, @description, @url, @created_on, @updated_on)
         ON CONFLICT (repository, hash, key) DO UPDATE SET state = @state, name = @name,
           description = @description, url = @url, updated_on = @updated_on`,
      ).run(status);
      host.publish(
        {
          type: before ? 'repo:commit_status_updated' : 'repo:commit_status_created',
          context: ctx.params.workspace,
          resource: fullName(ctx),
          payload: {
            actor: payloads.addon(installation?.addonKey ?? consumer.id),
            repository: payloads.repository(fullName(ctx)),
            commit_status: view(status),
          },
        },
        { transaction: db },
      );
    }).immediate();
    ctx.status = before ? 200 : 201;
    ctx.body = view(status);
  });

  function view({ repository, hash, ...status }: CommitStatus) {
    return {
      type: 'build',
      ...status,
      commit: { type: 'commit', hash },
      repository: payloads.repositorySummary(repository),
    };
  }
}

export function listStatuses(
  { db }: Pick<GitParts, 'db'>,
  repository: string,
  hash: string,
): CommitStatus[] {
  return db
    .prepare<[string, string], CommitStatus>(
      'SELECT * FROM code_statuses WHERE repository = ? AND hash = ? ORDER BY key',
    )
    .all(repository, hash);
}
