// /2.0/user: the user of a user's token; else the account of the workspace the token acts for.
import type { Context } from 'koa';
import type { GuardState } from 'mortise';
import type { CodeHostParts } from '../parts.ts';
import { userOf } from '../rights.ts';
import { findUser, renameUser } from '../users.ts';
import { renameWorkspace } from '../workspaces.ts';
import type { Api } from './api.ts';
import { readFields, title } from './fields.ts';

export function accountRoutes(api: Api, { db, payloads }: CodeHostParts): void {
  api.get('/2.0/user', 'account', (ctx) => {
    ctx.body = profile(ctx);
  });

  api.put('/2.0/user', 'account:write', async (ctx) => {
    const change = await readFields(ctx, { display_name: title });
    if (!change) return;
    const user = userOf(ctx);
    if (user === undefined) renameWorkspace(db, workspaceOf(ctx), change.display_name);
    else renameUser(db, user, change.display_name);
    ctx.body = profile(ctx);
  });

  api.get('/2.0/user/emails', 'email', (ctx) => {
    const user = userOf(ctx);
    const email =
      user === undefined ? `${workspaceOf(ctx)}@example.test` : findUser(db, user).email;
    ctx.body = {
      pagelen: 10,
      values: [{ type: 'email', email, is_primary: true, is_confirmed: true }],
    };
  });

  function profile(ctx: Context) {
    const user = userOf(ctx);
    if (user === undefined) return payloads.workspace(workspaceOf(ctx));
    // The address has a scope and a door of its own.
    const { email: _, ...shown } = payloads.user(findUser(db, user));
    return { ...shown, username: user };
  }
}

function workspaceOf(ctx: Context): string {
  const { context, installation } = ctx.state.mortise as GuardState;
  return installation?.context ?? context ?? '';
}
