// One page for whoever sits at this machine: every repository, newest commits, what checks said of them.
import type Router from '@koa/router';
import { listRepositories } from './catalogue.ts';
import type { CodeHostParts } from './parts.ts';
import { listStatuses } from './rest/statuses.ts';

export function frontPage(router: Router, parts: CodeHostParts): void {
  router.get('/', async (ctx) => {
    const names = listRepositories(parts.db).map((row) => row.full_name);
    const sections = await Promise.all(names.map((name) => section(parts, name)));
    ctx.set(
      'Content-Security-Policy',
      "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    );
    ctx.set('Cache-Control', 'no-store');
    ctx.type = 'html';
    ctx.body = `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Sample code host</title><style>${STYLE}</style>
<main><h1>Sample code host</h1><p>A small product built with Mortise.</p>${sections.join('')}</main></html>`;
  });
}

async function section(parts: CodeHostParts, name: string): Promise<string> {
  const commits = await parts.repositories.commits(name, 'HEAD', { limit: 20 }).catch(() => []);
  const rows = commits.map(({ hash, author, message }) => {
    const badges = listStatuses(parts, name, hash).map(
      ({ state, name: check, description }) =>
        `<span class="${state === 'SUCCESSFUL' ? 'good' : 'bad'}" title="${html(description)}">${html(check)}: ${html(state.toLowerCase())}</span>`,
    );
    return `<tr><td><code>${html(hash.slice(0, 8))}</code></td><td>${html(message.split('\n')[0] ?? '')}</td>
<td>${html(author.replace(/ <.*/, ''))}</td><td>${badges.join(' ')}</td></tr>`;
  });
  return `<h2>${html(name)}</h2>${
    rows.length === 0
      ? '<p>Nothing was pushed yet.</p>'
      : `<div class="scroll"><table><tr><th>Commit</th><th>Message</th><th>Author</th><th>Checks</th></tr>${rows.join('')}</table></div>`
  }`;
}

function html(text: string): string {
  return text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
}

const STYLE = `:root{color-scheme:light dark;font:16px/1.5 system-ui,sans-serif}main{max-width:60rem;margin:2rem auto;padding:0 1rem}
.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.4rem .6rem;border-bottom:1px solid color-mix(in srgb,currentColor 20%,transparent)}
.good,.bad{border-radius:.3rem;padding:.1rem .4rem;white-space:nowrap}.good{background:#1a7f3733}.bad{background:#cf222e33}`;
