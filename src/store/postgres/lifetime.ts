// How long PostgreSQL has kept everything. When it crashes it may forget the last commits that were not waited for, and
// whoever goes on from what it had read or written before must begin anew. PostgreSQL empties a table without a log then,
// and so does a standby that takes its place.
import sql from 'sql-template-tag';
import { newId } from '../../core/ids.ts';
import type { Queries } from './queries.ts';

/** @returns what names it */
export async function lifetimeOf(tx: Queries): Promise<string> {
  const known = await tx.get<{ id: string }>(sql`SELECT id FROM mortise.lifetime`);
  // Of two who begin one together, both get the same.
  const row =
    known ??
    (await tx.get<{ id: string }>(sql`INSERT INTO mortise.lifetime AS l (id) VALUES (${newId()})
      ON CONFLICT (is_only) DO UPDATE SET id = l.id RETURNING id`));
  return row!.id;
}
