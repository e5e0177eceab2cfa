// How the parts of this store speak to PostgreSQL: one word each for rows, a row, and a change.
import type { Sql } from 'sql-template-tag';

export interface Queries {
  all<T>(sql: Sql): Promise<T[]>;
  /** The first row. */
  get<T>(sql: Sql): Promise<T | undefined>;
  /** @returns how many rows it wrote */
  run(sql: Sql): Promise<number>;
}

/**
 * On one connection, inside its transaction. No statement is prepared by name: through a pooler in transaction mode the
 * next transaction may be on another connection.
 */
export function queriesOn(client: {
  query(query: {
    text: string;
    values: unknown[];
  }): Promise<{ rows: unknown[]; rowCount: number | null }>;
}): Queries {
  const query = ({ text, values }: Sql) => client.query({ text, values });
  return {
    all: async <T>(sql: Sql) => (await query(sql)).rows as T[],
    get: async <T>(sql: Sql) => (await query(sql)).rows[0] as T | undefined,
    run: async (sql) => (await query(sql)).rowCount ?? 0,
  };
}
