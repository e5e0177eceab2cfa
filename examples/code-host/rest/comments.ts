// Comments: on issues, snippets and commits. Reading what they are about is enough to write one, as Bitbucket has it.
import type { RouterContext } from '@koa/router';
import { actorOf } from '../actors.ts';
import { announce } from '../announce.ts';
import type { ProductDatabase } from '../database.ts';
import type { CodeHostParts } from '../parts.ts';
import { type Api, fullName, REPOSITORY } from './api.ts';
import { bitbucketError } from './errors.ts';
import { readFields, rendered } from './fields.ts';
import { findIssue, issueView } from './issues.ts';
import { findSnippet } from './snippets.ts';

interface CommentRow {
  id: number;
  /** A repository, or a workspace. */
  place: string;
  /** What it is about: `issue 3`. */
  subject: string;
  content: string;
  author: string;
  created_on: string;
}

interface Subject {
  type: string;
  place: string;
  subject: string;
  /** Publishes what is to be told of a new one. */
  tell?: (comment: Record<string, unknown>, actor: string) => void;
}

export function commentRoutes(api: Api, parts: CodeHostParts): void {
  const { db, repositories, payloads } = parts;

  onEach(`${REPOSITORY}/issues/{id}/comments`, 'issue', (ctx) => {
    const issue = findIssue(db, fullName(ctx), ctx.params.id!);
    if (!issue) return undefined;
    const place = fullName(ctx);
    return {
      type: 'issue_comment',
      place,
      subject: `issue ${issue.id}`,
      tell: (comment, actor) =>
        announce(parts, {
          type: 'issue:comment_created',
          repository: place,
          actor,
          payload: { issue: issueView(issue, parts), comment },
        }),
    };
  });

  onEach(`${REPOSITORY}/commit/{commit}/comments`, 'repository', async (ctx) => {
    const place = fullName(ctx);
    const commit = await repositories.findCommit(place, ctx.params.commit!);
    if (!commit) return undefined;
    return {
      type: 'commit_comment',
      place,
      subject: `commit ${commit.hash}`,
      tell: (comment, actor) =>
        announce(parts, {
          type: 'repo:commit_comment_created',
          repository: place,
          actor,
          payload: { comment, commit: payloads.commit(place, commit) },
        }),
    };
  });

  onEach('/2.0/snippets/{workspace}/{id}/comments', 'snippet', (ctx) => {
    const snippet = findSnippet(db, ctx);
    if (!snippet) return undefined;
    return {
      type: 'snippet_comment',
      place: snippet.workspace,
      subject: `snippet ${snippet.id}`,
    };
  });

  function onEach(
    path: string,
    scope: string,
    find: (ctx: RouterContext) => Subject | undefined | Promise<Subject | undefined>,
  ): void {
    api.get(path, scope, async (ctx) => {
      const about = await find(ctx);
      if (!about) return bitbucketError(ctx, 404, 'Not found');
      const values = listComments(db, about).map((row) => view(row, about));
      ctx.body = { pagelen: values.length, values };
    });
    api.post(path, scope, async (ctx) => {
      const about = await find(ctx);
      if (!about) return bitbucketError(ctx, 404, 'Not found');
      const given = await readFields(ctx, { content: rendered });
      if (!given) return;
      const author = actorOf(ctx);
      ctx.body = db
        .transaction(() => {
          const comment = view(addComment(db, about, given.content, author), about);
          about.tell?.(comment, author);
          return comment;
        })
        .immediate();
      ctx.status = 201;
    });
  }

  function view({ id, content, author, created_on }: CommentRow, { type }: Subject) {
    return {
      type,
      id,
      content: { raw: content },
      user: payloads.actor(author),
      created_on,
    };
  }
}

function listComments(
  db: ProductDatabase,
  { place, subject }: Pick<Subject, 'place' | 'subject'>,
): CommentRow[] {
  return db
    .prepare<[string, string], CommentRow>(
      'SELECT * FROM code_comments WHERE place = ? AND subject = ? ORDER BY id',
    )
    .all(place, subject);
}

function addComment(
  db: ProductDatabase,
  { place, subject }: Subject,
  content: string,
  author: string,
): CommentRow {
  return db
    .prepare<[string, string, string, string, string], CommentRow>(
      `INSERT INTO code_comments (place, subject, content, author, created_on)
       VALUES (?, ?, ?, ?, ?) RETURNING *`,
    )
    .get(place, subject, content, author, new Date().toISOString())!;
}
