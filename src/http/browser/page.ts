// A page leaves with everything that keeps it ours: no framing, no scripts, no caching, no referrer to others.
import { createHash } from 'node:crypto';
import type { Context } from 'koa';
import type { VNode } from 'preact';
import { renderToString } from 'preact-render-to-string';
import { STYLE } from '../pages/style.ts';

const STYLE_HASH = createHash('sha256').update(STYLE).digest('base64');

/** @param formTargets further origins a form's answer may redirect to: Chromium holds form-action against redirects. */
export function sendPage(
  ctx: Context,
  page: VNode,
  options: { status?: number; formTargets?: string[] } = {},
): void {
  ctx.status = options.status ?? 200;
  ctx.set({
    'Content-Security-Policy': [
      "default-src 'none'",
      `style-src 'sha256-${STYLE_HASH}'`,
      "img-src 'self' data:",
      `form-action 'self' ${(options.formTargets ?? []).join(' ')}`.trim(),
      "base-uri 'none'",
      "frame-ancestors 'none'",
    ].join('; '),
    'X-Frame-Options': 'DENY',
    'X-Content-Type-Options': 'nosniff',
    // Not `no-referrer`: with that, Chromium posts our own forms with `Origin: null`.
    'Referrer-Policy': 'same-origin',
    'Cache-Control': 'no-store',
    'Cross-Origin-Opener-Policy': 'same-origin',
  });
  ctx.type = 'html';
  ctx.body = `<!doctype html>${renderToString(page)}`;
}
