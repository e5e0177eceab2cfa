// The wiki: `wiki` reads, `wiki:write` writes pages, `wiki:admin` deletes them and switches the wiki on and off.
import type { RouterContext } from '@koa/router';
import { actorOf } from '../actors.ts';
import { changeRepository, findRepository } from '../catalogue.ts';
import type { CodeHostParts } from '../parts.ts';
import { type Api, fullName, type Handler, REPOSITORY } from './api.ts';
import { bitbucketError } from './errors.ts';
import { readFields, rendered, yesOrNo } from './fields.ts';

interface PageRow {
  repository: string;
  page: string;
  content: string;
  author: string;
  updated_on: string;
}

const WIKI = `${REPOSITORY}/wiki`;
const SHOWN = 100;

export function wikiRoutes(api: Api, { db, payloads }: CodeHostParts): void {
  api.get(
    WIKI,
    'wiki',
    inWiki((ctx) => {
      const rows = db
        .prepare<[string, number], PageRow>(
          'SELECT * FROM code_wiki_pages WHERE repository = ? ORDER BY page LIMIT ?',
        )
        .all(fullName(ctx), SHOWN);
      ctx.body = { pagelen: SHOWN, values: rows.map(view) };
    }),
  );

  api.put(WIKI, 'wiki:admin', async (ctx) => {
    const given = await readFields(ctx, { enabled: yesOrNo });
    if (!given) return;
    changeRepository(db, fullName(ctx), { has_wiki: Number(given.enabled) });
    ctx.body = { type: 'wiki', enabled: given.enabled };
  });

  api.get(
    `${WIKI}/{page}`,
    'wiki',
    inWiki((ctx) => {
      const row = db
        .prepare<[string, string], PageRow>(
          'SELECT * FROM code_wiki_pages WHERE repository = ? AND page = ?',
        )
        .get(fullName(ctx), ctx.params.page!);
      if (!row) return notFound(ctx);
      ctx.body = view(row);
    }),
  );

  api.put(
    `${WIKI}/{page}`,
    'wiki:write',
    inWiki(async (ctx) => {
      const given = await readFields(ctx, { content: rendered });
      if (!given) return;
      const row: PageRow = {
        repository: fullName(ctx),
        page: ctx.params.page!,
        content: given.content,
        author: actorOf(ctx),
        updated_on: new Date().toISOString(),
      };
      db.prepare(
        `INSERT INTO code_wiki_pages (repository, page, content, author, updated_on)
         VALUES (@repository, @page, @content, @author, @updated_on)
         ON CONFLICT (repository, page) DO UPDATE
           SET content = @content, author = @author, updated_on = @updated_on`,
      ).run(row);
      ctx.body = view(row);
    }),
  );

  api.delete(
    `${WIKI}/{page}`,
    'wiki:admin',
    inWiki((ctx) => {
      const { changes } = db
        .prepare('DELETE FROM code_wiki_pages WHERE repository = ? AND page = ?')
        .run(fullName(ctx), ctx.params.page);
      if (changes === 0) return notFound(ctx);
      ctx.status = 204;
    }),
  );

  /** Switched off, there is none. */
  function inWiki(handler: Handler): Handler {
    return (ctx) =>
      findRepository(db, fullName(ctx))?.has_wiki
        ? handler(ctx)
        : bitbucketError(ctx, 404, 'Repository has no wiki.');
  }

  function view({ page, content, author, updated_on }: PageRow) {
    return {
      type: 'wiki_page',
      path: page,
      content: { raw: content },
      author: payloads.actor(author),
      updated_on,
    };
  }
}

function notFound(ctx: RouterContext): void {
  bitbucketError(ctx, 404, `Page ${ctx.params.page} not found`);
}
