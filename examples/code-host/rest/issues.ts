// The issue tracker. `issue` reports and reads, `issue:write` changes and deletes, `issue:admin` sets the tracker up.
import type { RouterContext } from '@koa/router';
import { actorOf } from '../actors.ts';
import { announce } from '../announce.ts';
import { changeRepository, findRepository } from '../catalogue.ts';
import type { ProductDatabase } from '../database.ts';
import type { CodeHostParts } from '../parts.ts';
import { type Api, fullName, type Handler, REPOSITORY } from './api.ts';
import { bitbucketError } from './errors.ts';
import { oneOf, readFields, rendered, title, yesOrNo } from './fields.ts';

export interface IssueRow {
  repository: string;
  id: number;
  title: string;
  content: string;
  state: string;
  reporter: string;
  created_on: string;
}

const ISSUES = `${REPOSITORY}/issues`;
const SHOWN = 50;
const state = oneOf(
  'new',
  'open',
  'resolved',
  'on hold',
  'invalid',
  'duplicate',
  'wontfix',
  'closed',
);

export function issueRoutes(api: Api, parts: CodeHostParts): void {
  const { db } = parts;

  api.get(
    ISSUES,
    'issue',
    inTracker((ctx) => {
      const rows = db
        .prepare<[string, number], IssueRow>(
          'SELECT * FROM code_issues WHERE repository = ? ORDER BY id DESC LIMIT ?',
        )
        .all(fullName(ctx), SHOWN);
      ctx.body = { pagelen: SHOWN, values: rows.map((row) => issueView(row, parts)) };
    }),
  );

  api.post(
    ISSUES,
    'issue',
    inTracker(async (ctx) => {
      const given = await readFields(ctx, { title }, { content: rendered });
      if (!given) return;
      ctx.body = db
        .transaction(() => {
          const reporter = actorOf(ctx);
          const issue = issueView(
            addIssue(db, { repository: fullName(ctx), content: '', ...given, reporter }),
            parts,
          );
          announce(parts, {
            type: 'issue:created',
            repository: fullName(ctx),
            actor: reporter,
            payload: { issue },
          });
          return issue;
        })
        .immediate();
      ctx.status = 201;
    }),
  );

  api.put(ISSUES, 'issue:admin', async (ctx) => {
    const given = await readFields(ctx, { enabled: yesOrNo });
    if (!given) return;
    changeRepository(db, fullName(ctx), { has_issues: Number(given.enabled) });
    ctx.body = { type: 'issue_tracker', enabled: given.enabled };
  });

  api.get(
    `${ISSUES}/{id}`,
    'issue',
    inTracker((ctx) => {
      const row = findIssue(db, fullName(ctx), ctx.params.id!);
      if (!row) return notFound(ctx);
      ctx.body = issueView(row, parts);
    }),
  );

  api.put(
    `${ISSUES}/{id}`,
    'issue:write',
    inTracker(async (ctx) => {
      const change = await readFields(ctx, {}, { state, title, content: rendered });
      if (!change) return;
      const issue = db
        .transaction(() => {
          const before = findIssue(db, fullName(ctx), ctx.params.id!);
          if (!before) return undefined;
          const after = { ...before, ...change };
          db.prepare(
            `UPDATE code_issues SET title = @title, content = @content, state = @state
             WHERE repository = @repository AND id = @id`,
          ).run(after);
          announce(parts, {
            type: 'issue:updated',
            repository: fullName(ctx),
            actor: actorOf(ctx),
            payload: { issue: issueView(after, parts), changes: changesOf(before, after) },
          });
          return after;
        })
        .immediate();
      if (!issue) return notFound(ctx);
      ctx.body = issueView(issue, parts);
    }),
  );

  api.delete(
    `${ISSUES}/{id}`,
    'issue:write',
    inTracker((ctx) => {
      const isDeleted = db
        .transaction(() => {
          const row = findIssue(db, fullName(ctx), ctx.params.id!);
          if (!row) return false;
          db.prepare('DELETE FROM code_issues WHERE repository = ? AND id = ?').run(
            row.repository,
            row.id,
          );
          db.prepare('DELETE FROM code_comments WHERE place = ? AND subject = ?').run(
            row.repository,
            `issue ${row.id}`,
          );
          return true;
        })
        .immediate();
      if (!isDeleted) return notFound(ctx);
      ctx.status = 204;
    }),
  );

  /** Switched off, there is none. */
  function inTracker(handler: Handler): Handler {
    return (ctx) =>
      findRepository(db, fullName(ctx))?.has_issues
        ? handler(ctx)
        : bitbucketError(ctx, 404, 'Repository has no issue tracker.');
  }
}

export function findIssue(
  db: ProductDatabase,
  repository: string,
  id: string,
): IssueRow | undefined {
  return db
    .prepare<[string, string], IssueRow>(
      'SELECT * FROM code_issues WHERE repository = ? AND id = ?',
    )
    .get(repository, id);
}

export function issueView(row: IssueRow, { payloads }: Pick<CodeHostParts, 'payloads'>) {
  const { id, state, created_on } = row;
  return {
    type: 'issue',
    id,
    title: row.title,
    content: { raw: row.content },
    state,
    reporter: payloads.actor(row.reporter),
    created_on,
    repository: payloads.repositorySummary(row.repository),
  };
}

function addIssue(
  db: ProductDatabase,
  given: Omit<IssueRow, 'id' | 'state' | 'created_on'>,
): IssueRow {
  return db
    .prepare<[object], IssueRow>(
      `INSERT INTO code_issues (repository, id, title, content, state, reporter, created_on)
       VALUES (@repository, (SELECT COALESCE(MAX(id), 0) + 1 FROM code_issues WHERE repository = @repository),
         @title, @content, 'new', @reporter, @now) RETURNING *`,
    )
    .get({ ...given, now: new Date().toISOString() })!;
}

/** Bitbucket tells of a new state as `status`. */
function changesOf(before: IssueRow, after: IssueRow) {
  const fields = { status: 'state', title: 'title', content: 'content' } as const;
  return Object.fromEntries(
    Object.entries(fields)
      .filter(([, field]) => before[field] !== after[field])
      .map(([name, field]) => [name, { old: before[field], new: after[field] }]),
  );
}

function notFound(ctx: RouterContext): void {
  bitbucketError(ctx, 404, `Issue ${ctx.params.id} not found`);
}
