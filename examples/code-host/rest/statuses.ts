// Commit statuses: what a check says about a commit. Writing one publishes an event in the same transaction.
import { actorOf } from '../actors.ts';
import { announce } from '../announce.ts';
import type { CodeHostParts } from '../parts.ts';
import { type Api, fullName, REPOSITORY } from './api.ts';
import { bitbucketError } from './errors.ts';
import { oneOf, readFields, text, title } from './fields.ts';

const STATUS = { key: title, state: oneOf('SUCCESSFUL', 'FAILED', 'INPROGRESS', 'STOPPED') };
const DETAILS = { name: text, description: text, url: text };

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

export function statusRoutes(api: Api, parts: CodeHostParts): void {
  const { db, repositories, payloads } = parts;
  const at = `${REPOSITORY}/commit/{commit}/statuses`;

  api.get(at, 'repository', async (ctx) => {
    const commit = await repositories.findCommit(fullName(ctx), ctx.params.commit!);
    if (!commit) return bitbucketError(ctx, 404, 'Commit not found');
    ctx.body = { values: listStatuses(parts, fullName(ctx), commit.hash).map(view) };
  });

  api.post(`${at}/build`, 'repository:write', async (ctx) => {
    const given = await readFields(ctx, STATUS, DETAILS);
    if (!given) return;
    const { key, state, name = key, description = '', url = '' } = given;
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
      name,
      description,
      url,
      created_on: before?.created_on ?? now,
      updated_on: now,
    };
    db.transaction(() => {
      db.prepare(
        `INSERT INTO code_statuses (repository, hash, key, state, name, description, url, created_on, updated_on)
         VALUES (@repository, @hash, @key, @state, @name, @description, @url, @created_on, @updated_on)
         ON CONFLICT (repository, hash, key) DO UPDATE SET state = @state, name = @name,
           description = @description, url = @url, updated_on = @updated_on`,
      ).run(status);
      announce(parts, {
        type: before ? 'repo:commit_status_updated' : 'repo:commit_status_created',
        repository: fullName(ctx),
        actor: actorOf(ctx),
        payload: { commit_status: view(status) },
      });
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
  { db }: Pick<CodeHostParts, 'db'>,
  repository: string,
  hash: string,
): CommitStatus[] {
  return db
    .prepare<[string, string], CommitStatus>(
      'SELECT * FROM code_statuses WHERE repository = ? AND hash = ? ORDER BY key',
    )
    .all(repository, hash);
}
