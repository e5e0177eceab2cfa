// GET of a list: `{items, next}`, with `limit` and `after`.
import { optionalString, pageLimit } from './fields.ts';

/** @param read is asked for one row more than a page holds, which tells whether another page follows. */
export async function listPage<Row extends { id: string }>(
  query: Record<string, unknown>,
  read: (page: { after: string | undefined; limit: number }) => Promise<Row[]>,
  view: (row: Row) => unknown,
): Promise<{ items: unknown[]; next: string | null }> {
  const limit = pageLimit(query);
  const rows = await read({ after: optionalString(query, 'after'), limit: limit + 1 });
  const page = rows.slice(0, limit);
  return {
    items: await Promise.all(page.map((row) => view(row))),
    next: rows.length > limit ? page.at(-1)!.id : null,
  };
}
