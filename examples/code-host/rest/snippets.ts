// Snippets of a workspace: `snippet` reads, `snippet:write` writes, `snippet:admin` says who may see them.
import type { RouterContext } from '@koa/router';
import { actorOf } from '../actors.ts';
import type { ProductDatabase } from '../database.ts';
import type { CodeHostParts } from '../parts.ts';
import { maySee, userOf } from '../rights.ts';
import type { Api } from './api.ts';
import { bitbucketError } from './errors.ts';
import { readFields, rendered, title, yesOrNo } from './fields.ts';

export interface SnippetRow {
  id: number;
  workspace: string;
  title: string;
  content: string;
  is_private: number;
  owner: string;
  created_on: string;
  updated_on: string;
}

const SNIPPETS = '/2.0/snippets/{workspace}';
const SHOWN = 50;

export function snippetRoutes(api: Api, { db, payloads }: CodeHostParts): void {
  api.get(SNIPPETS, 'snippet', (ctx) => {
    const rows = db
      .prepare<[string], SnippetRow>('SELECT * FROM code_snippets WHERE workspace = ? ORDER BY id')
      .all(ctx.params.workspace!)
      .filter((row) => maySee(db, userOf(ctx), row))
      .slice(0, SHOWN);
    ctx.body = { pagelen: SHOWN, values: rows.map(view) };
  });

  api.post(SNIPPETS, 'snippet:write', async (ctx) => {
    const given = await readFields(ctx, { title }, { content: rendered, is_private: yesOrNo });
    if (!given) return;
    const { content = '', is_private = true } = given;
    const row = db
      .prepare<[object], SnippetRow>(
        `INSERT INTO code_snippets (workspace, title, content, is_private, owner, created_on, updated_on)
         VALUES (@workspace, @title, @content, @is_private, @owner, @now, @now) RETURNING *`,
      )
      .get({
        workspace: ctx.params.workspace,
        title: given.title,
        content,
        is_private: Number(is_private),
        owner: actorOf(ctx),
        now: new Date().toISOString(),
      })!;
    ctx.status = 201;
    ctx.body = view(row);
  });

  api.get(`${SNIPPETS}/{id}`, 'snippet', (ctx) => {
    const row = findSnippet(db, ctx);
    if (!row) return notFound(ctx);
    ctx.body = view(row);
  });

  api.put(`${SNIPPETS}/{id}`, 'snippet:write', async (ctx) => {
    const change = await readFields(ctx, {}, { title, content: rendered });
    if (change) save(ctx, change);
  });

  api.put(`${SNIPPETS}/{id}/visibility`, 'snippet:admin', async (ctx) => {
    const change = await readFields(ctx, { is_private: yesOrNo });
    if (change) save(ctx, { is_private: Number(change.is_private) });
  });

  api.delete(`${SNIPPETS}/{id}`, 'snippet:write', (ctx) => {
    const row = findSnippet(db, ctx);
    if (!row) return notFound(ctx);
    db.transaction(() => {
      db.prepare('DELETE FROM code_snippets WHERE id = ?').run(row.id);
      db.prepare('DELETE FROM code_comments WHERE place = ? AND subject = ?').run(
        row.workspace,
        `snippet ${row.id}`,
      );
    }).immediate();
    ctx.status = 204;
  });

  function save(ctx: RouterContext, change: Partial<SnippetRow>): void {
    const row = findSnippet(db, ctx);
    if (!row) {
      notFound(ctx);
      return;
    }
    const after = { ...row, ...change, updated_on: new Date().toISOString() };
    db.prepare(
      `UPDATE code_snippets SET title = @title, content = @content, is_private = @is_private,
         updated_on = @updated_on WHERE id = @id`,
    ).run(after);
    ctx.body = view(after);
  }

  function view({ is_private, content, owner, ...row }: SnippetRow) {
    return {
      type: 'snippet',
      id: row.id,
      title: row.title,
      content: { raw: content },
      is_private: is_private === 1,
      owner: payloads.workspace(row.workspace),
      creator: payloads.actor(owner),
      created_on: row.created_on,
      updated_on: row.updated_on,
    };
  }
}

/** @returns undefined also for one that the caller may not see. */
export function findSnippet(db: ProductDatabase, ctx: RouterContext): SnippetRow | undefined {
  const row = db
    .prepare<[string, string], SnippetRow>(
      'SELECT * FROM code_snippets WHERE workspace = ? AND id = ?',
    )
    .get(ctx.params.workspace!, ctx.params.id!);
  return row && maySee(db, userOf(ctx), row) ? row : undefined;
}

function notFound(ctx: RouterContext): void {
  bitbucketError(ctx, 404, `Snippet ${ctx.params.id} not found`);
}
