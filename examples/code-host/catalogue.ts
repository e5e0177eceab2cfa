// Which repositories there are and how they are set up. What git keeps of them is in git.ts.
import type { ProductDatabase } from './database.ts';

export interface RepositoryRow {
  full_name: string;
  workspace: string;
  description: string;
  is_private: number;
  has_issues: number;
  has_wiki: number;
  created_on: string;
  updated_on: string;
}

export type Settings = Pick<
  RepositoryRow,
  'description' | 'is_private' | 'has_issues' | 'has_wiki'
>;

/** What `npm start` shows; they stay, so that there is always something to show. */
export const SAMPLES: { fullName: string; settings: Settings }[] = [
  sample('acme/site', 'The public web site', true),
  sample('acme/docs', 'What everybody may read', false),
];

export function seedRepositories(db: ProductDatabase): void {
  for (const { fullName, settings } of SAMPLES)
    if (!findRepository(db, fullName)) addRepository(db, fullName, settings);
}

export function findRepository(db: ProductDatabase, fullName: string): RepositoryRow | undefined {
  return db
    .prepare<[string], RepositoryRow>('SELECT * FROM code_repositories WHERE full_name = ?')
    .get(fullName);
}

export function listRepositories(db: ProductDatabase, workspace?: string): RepositoryRow[] {
  return db
    .prepare<[{ workspace: string | null }], RepositoryRow>(
      `SELECT * FROM code_repositories WHERE @workspace IS NULL OR workspace = @workspace
       ORDER BY created_on, rowid`,
    )
    .all({ workspace: workspace ?? null });
}

/** @throws SQLITE_CONSTRAINT_PRIMARYKEY if there is one */
export function addRepository(db: ProductDatabase, fullName: string, settings: Settings): void {
  const now = new Date().toISOString();
  db.prepare(
    `INSERT INTO code_repositories
       (full_name, workspace, description, is_private, has_issues, has_wiki, created_on, updated_on)
     VALUES (@fullName, @workspace, @description, @is_private, @has_issues, @has_wiki, @now, @now)`,
  ).run({ ...settings, fullName, workspace: fullName.split('/')[0], now });
}

export function changeRepository(
  db: ProductDatabase,
  fullName: string,
  change: Partial<Settings>,
): void {
  db.prepare(
    `UPDATE code_repositories SET description = @description, is_private = @is_private,
       has_issues = @has_issues, has_wiki = @has_wiki, updated_on = @now WHERE full_name = @full_name`,
  ).run({ ...findRepository(db, fullName), ...change, now: new Date().toISOString() });
}

/** With everything that belongs to it. */
export function removeRepository(db: ProductDatabase, fullName: string): void {
  db.prepare('DELETE FROM code_repositories WHERE full_name = ?').run(fullName);
  db.prepare('DELETE FROM code_comments WHERE place = ?').run(fullName);
  for (const table of ['refs', 'statuses', 'issues', 'wiki_pages', 'pull_requests'])
    db.prepare(`DELETE FROM code_${table} WHERE repository = ?`).run(fullName);
}

function sample(fullName: string, description: string, isPrivate: boolean) {
  const settings = { description, is_private: Number(isPrivate), has_issues: 1, has_wiki: 1 };
  return { fullName, settings };
}
