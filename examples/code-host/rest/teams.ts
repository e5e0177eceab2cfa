// /2.0/teams: where the caller belongs; and who may do what in a workspace.
import type { GuardState } from 'mortise';
import type { CodeHostParts } from '../parts.ts';
import { RIGHTS, userOf } from '../rights.ts';
import { findUser } from '../users.ts';
import { membersOf, setMember, workspacesOf } from '../workspaces.ts';
import type { Api } from './api.ts';
import { bitbucketError } from './errors.ts';
import { oneOf, readFields } from './fields.ts';

export function teamRoutes(api: Api, { db, payloads }: CodeHostParts): void {
  api.get('/2.0/teams', 'team', (ctx) => {
    const user = userOf(ctx);
    const { context } = ctx.state.mortise as GuardState;
    const names =
      user === undefined
        ? [context ?? '']
        : workspacesOf(db, user).map(({ workspace }) => workspace);
    ctx.body = { pagelen: 100, values: names.map((name) => payloads.workspace(name)) };
  });

  api.put(
    '/2.0/teams/{workspace}/members/{user}',
    'team:write',
    async (ctx) => {
      const { workspace = '', user = '' } = ctx.params;
      const change = await readFields(ctx, { role: oneOf(...RIGHTS) });
      if (!change) return;
      const others = membersOf(db, workspace).filter((member) => member.user !== user);
      if (change.role !== 'admin' && !others.some(({ role }) => role === 'admin'))
        return bitbucketError(ctx, 400, `${workspace} must keep an administrator.`);
      setMember(db, workspace, user, change.role);
      ctx.body = { type: 'membership', user: payloads.user(findUser(db, user)), role: change.role };
    },
    { right: 'admin' },
  );
}
