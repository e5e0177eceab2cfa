// What the caller may do here, whatever the token's scopes say: a user what they may as a person, an add-on or a
// consumer that acts for a workspace everything in it (the guard keeps it there). Scopes never add to it.
import type { Context, Middleware } from 'koa';
import type { GuardState } from 'mortise';
import { findRepository, type RepositoryRow } from './catalogue.ts';
import type { ProductDatabase } from './database.ts';
import { bitbucketError } from './rest/errors.ts';
import { workspacesOf } from './workspaces.ts';

/** Each holds those before it. */
export const RIGHTS = ['read', 'write', 'admin'] as const;
export type Right = (typeof RIGHTS)[number];

/** In the workspace that the route names. A repository that it names must be there, unless it is to be made. */
export function requireRight(
  db: ProductDatabase,
  needed: Right,
  options: { isNew?: boolean } = {},
): Middleware {
  return async (ctx, next) => {
    const { workspace, repository } = (ctx.params ?? {}) as Record<string, string>;
    if (workspace === undefined) return next();
    const user = userOf(ctx);
    if (repository !== undefined && !options.isNew) {
      const row = findRepository(db, `${workspace}/${repository}`);
      // What somebody may not see answers as if it were not there.
      if (!row || !maySee(db, user, row)) return notFound(ctx, `${workspace}/${repository}`);
    }
    if (!mayDo(db, user, workspace, needed)) return refuse(ctx, `${needed} access`);
    await next();
  };
}

/** @param user undefined: the workspace itself. */
export function maySee(
  db: ProductDatabase,
  user: string | undefined,
  { workspace, is_private }: Pick<RepositoryRow, 'workspace' | 'is_private'>,
): boolean {
  return is_private === 0 || isMember(db, user, workspace);
}

export function isMember(
  db: ProductDatabase,
  user: string | undefined,
  workspace: string,
): boolean {
  return user === undefined || roleOf(db, user, workspace) !== undefined;
}

/** Everybody may read; what is private, maySee() keeps from them. */
function mayDo(
  db: ProductDatabase,
  user: string | undefined,
  workspace: string,
  needed: Right,
): boolean {
  if (user === undefined) return true;
  const role = roleOf(db, user, workspace) ?? 'read';
  return RIGHTS.indexOf(role) >= RIGHTS.indexOf(needed);
}

/** The person: whose token it is, or who sent their own password. */
export function userOf(ctx: Context): string | undefined {
  return ctx.state.user?.name ?? (ctx.state.mortise as GuardState).user?.id;
}

function roleOf(db: ProductDatabase, user: string, workspace: string): Right | undefined {
  return workspacesOf(db, user).find((member) => member.workspace === workspace)?.role;
}

function notFound(ctx: Context, fullName: string): void {
  answer(ctx, 404, `Repository ${fullName} not found`);
}

function refuse(ctx: Context, what: string): void {
  answer(ctx, 403, `Access denied. You must have ${what}.`);
}

function answer(ctx: Context, status: number, message: string): void {
  bitbucketError(ctx, status, message);
  // git shows what it is told as it stands.
  if (!ctx.path.startsWith('/2.0/')) ctx.body = `${message}\n`;
}
