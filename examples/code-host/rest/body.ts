// JSON bodies of the REST API.
import type { Context } from 'koa';
import getRawBody from 'raw-body';
import { bitbucketError } from './errors.ts';

/** @returns undefined after answering 400 itself */
export async function readBody(ctx: Context): Promise<Record<string, unknown> | undefined> {
  try {
    const value = JSON.parse(await getRawBody(ctx.req, { limit: '1mb', encoding: 'utf8' }));
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  } catch {
    // Answered below, as for any other body that is not an object.
  }
  bitbucketError(ctx, 400, 'The body must be a JSON object.');
  return undefined;
}
