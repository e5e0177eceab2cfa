// Workspaces and who belongs to them.
import type { ProductDatabase } from './database.ts';
import type { Right } from './rights.ts';

export function seedWorkspaces(db: ProductDatabase): void {
  db.exec(`INSERT OR IGNORE INTO code_workspaces (name, display_name) VALUES ('acme', 'Acme');
    INSERT OR IGNORE INTO code_members (workspace, user, role) VALUES ('acme', 'alice', 'admin')`);
}

/** Those somebody belongs to, with what they may do there. */
export function workspacesOf(
  db: ProductDatabase,
  user: string,
): { workspace: string; role: Right }[] {
  return db
    .prepare<[string], { workspace: string; role: Right }>(
      'SELECT workspace, role FROM code_members WHERE user = ? ORDER BY workspace',
    )
    .all(user);
}

export function membersOf(db: ProductDatabase, workspace: string): { user: string; role: Right }[] {
  return db
    .prepare<[string], { user: string; role: Right }>(
      'SELECT user, role FROM code_members WHERE workspace = ? ORDER BY user',
    )
    .all(workspace);
}

export function setMember(db: ProductDatabase, workspace: string, user: string, role: Right): void {
  db.prepare(
    `INSERT INTO code_members (workspace, user, role) VALUES (?, ?, ?)
     ON CONFLICT (workspace, user) DO UPDATE SET role = excluded.role`,
  ).run(workspace, user, role);
}

export function displayName(db: ProductDatabase, workspace: string): string {
  const row = db
    .prepare<[string], { display_name: string }>(
      'SELECT display_name FROM code_workspaces WHERE name = ?',
    )
    .get(workspace);
  return row?.display_name ?? workspace;
}

export function renameWorkspace(db: ProductDatabase, workspace: string, name: string): void {
  db.prepare(
    `INSERT INTO code_workspaces (name, display_name) VALUES (?, ?)
     ON CONFLICT (name) DO UPDATE SET display_name = excluded.display_name`,
  ).run(workspace, name);
}
