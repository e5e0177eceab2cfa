// Pull requests: opened and listed; nobody merges here.
import { actorOf } from '../actors.ts';
import { announce } from '../announce.ts';
import type { CodeHostParts } from '../parts.ts';
import { type Api, fullName, REPOSITORY } from './api.ts';
import { bitbucketError } from './errors.ts';
import { type Field, readFields, text, title } from './fields.ts';

interface PullRequestRow {
  repository: string;
  id: number;
  title: string;
  description: string;
  /** Names of branches. */
  source: string;
  destination: string;
  author: string;
  created_on: string;
}

const PULL_REQUESTS = `${REPOSITORY}/pullrequests`;
const SHOWN = 50;

const side: Field<string> = {
  read: (value) => {
    const name = (value as { branch?: { name?: unknown } } | null)?.branch?.name;
    return typeof name === 'string' ? name : undefined;
  },
  mustBe: 'an object like {"branch": {"name": "main"}}',
};

export function pullRequestRoutes(api: Api, parts: CodeHostParts): void {
  const { db, repositories, payloads } = parts;

  api.get(PULL_REQUESTS, 'pullrequest', (ctx) => {
    const rows = db
      .prepare<[string, number], PullRequestRow>(
        'SELECT * FROM code_pull_requests WHERE repository = ? ORDER BY id DESC LIMIT ?',
      )
      .all(fullName(ctx), SHOWN);
    ctx.body = { pagelen: SHOWN, values: rows.map(view) };
  });

  api.get(`${PULL_REQUESTS}/{id}`, 'pullrequest', (ctx) => {
    const row = db
      .prepare<[string, string], PullRequestRow>(
        'SELECT * FROM code_pull_requests WHERE repository = ? AND id = ?',
      )
      .get(fullName(ctx), ctx.params.id!);
    if (!row) return bitbucketError(ctx, 404, `Pull request ${ctx.params.id} not found`);
    ctx.body = view(row);
  });

  api.post(PULL_REQUESTS, 'pullrequest:write', async (ctx) => {
    const given = await readFields(
      ctx,
      { title, source: side },
      { destination: side, description: text },
    );
    if (!given) return;
    const { source, destination = 'main', description = '' } = given;
    const branches = await repositories.refs(fullName(ctx));
    const missing = [source, destination].find((name) => !branches.has(`refs/heads/${name}`));
    if (missing !== undefined) return bitbucketError(ctx, 400, `There is no branch "${missing}".`);
    if (source === destination)
      return bitbucketError(ctx, 400, 'Source and destination are the same branch.');
    const author = actorOf(ctx);
    ctx.body = db
      .transaction(() => {
        const row = db
          .prepare<[object], PullRequestRow>(
            `INSERT INTO code_pull_requests
               (repository, id, title, description, source, destination, author, created_on)
             VALUES (@repository,
               (SELECT COALESCE(MAX(id), 0) + 1 FROM code_pull_requests WHERE repository = @repository),
               @title, @description, @source, @destination, @author, @now) RETURNING *`,
          )
          .get({
            repository: fullName(ctx),
            title: given.title,
            description,
            source,
            destination,
            author,
            now: new Date().toISOString(),
          })!;
        const pullrequest = view(row);
        announce(parts, {
          type: 'pullrequest:created',
          repository: row.repository,
          actor: author,
          payload: { pullrequest },
        });
        return pullrequest;
      })
      .immediate();
    ctx.status = 201;
  });

  function view(row: PullRequestRow) {
    const repository = payloads.repositorySummary(row.repository);
    return {
      type: 'pullrequest',
      id: row.id,
      title: row.title,
      description: row.description,
      state: 'OPEN',
      author: payloads.actor(row.author),
      source: { branch: { name: row.source }, repository },
      destination: { branch: { name: row.destination }, repository },
      created_on: row.created_on,
    };
  }
}
