// Issues: list and create. The scope `issue` covers both, as Bitbucket has it.
import type Router from '@koa/router';
import type { GuardState } from 'mortise';
import type { GitParts } from '../git-http.ts';
import { readBody } from './body.ts';
import { bitbucketError } from './errors.ts';
import { fullName, knownRepository, REPOSITORY, RESOURCE } from './repositories.ts';

interface IssueRow {
  repository: string;
  id: number;
  title: string;
  content: string;
  state: string;
  reporter: string;
  created_on: string;
}

export function issueRoutes(router: Router, { db, host, repositories, payloads }: GitParts): void {
  const known = knownRepository(repositories);
  const mayUse = host.guard('issue', RESOURCE);

  router.get(`${REPOSITORY}/issues`, mayUse, known, (ctx) => {
    const rows = db
      .prepare<[string], IssueRow>(
        'SELECT * FROM code_issues WHERE repository = ? ORDER BY id DESC LIMIT 50',
      )
      .all(fullName(ctx));
    ctx.body = { pagelen: 50, values: rows.map(view) };
  });

  router.post(`${REPOSITORY}/issues`, mayUse, known, async (ctx) => {
    const body = await readBody(ctx);
    if (!body) return;
    const { title } = body;
    if (typeof title !== 'string' || title === '')
      return bitbucketError(ctx, 400, '"title" is missing');
    const content = (body.content as { raw?: unknown } | undefined)?.raw;
    const { installation, consumer } = ctx.state.mortise as GuardState;
    const reporter = installation?.addonKey ?? consumer.id;
    const issue = db
      .transaction(() => {
        const { id } = db
          .prepare<[string], { id: number }>(
            'SELECT COALESCE(MAX(id), 0) + 1 AS id FROM code_issues WHERE repository = ?',
          )
          .get(fullName(ctx))!;
        const row: IssueRow = {
          repository: fullName(ctx),
          id,
          title,
          content: typeof content === 'string' ? content : '',
          state: 'new',
          reporter,
          created_on: new Date().toISOString(),
        };
        db.prepare(
          `INSERT INTO code_issues (repository, id, title, content, state, reporter, created_on)
           VALUES (@repository, @id, @title, @content, @state, @reporter, @created_on)`,
        ).run(row);
        const issueView = view(row);
        host.publish(
          {
            type: 'issue:created',
            context: ctx.params.workspace,
            resource: fullName(ctx),
            payload: {
              actor: payloads.addon(reporter),
              repository: payloads.repository(fullName(ctx)),
              issue: issueView,
            },
          },
          { transaction: db },
        );
        return issueView;
      })
      .immediate();
    ctx.status = 201;
    ctx.body = issue;
  });

  function view({ id, title, content, state, reporter, created_on, repository }: IssueRow) {
    return {
      type: 'issue',
      id,
      title,
      content: { raw: content },
      state,
      reporter: payloads.addon(reporter),
      created_on,
      repository: payloads.repositorySummary(repository),
    };
  }
}
