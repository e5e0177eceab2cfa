// Who does something, in one word that fits in a column: `user alice`, or the key of an add-on or consumer.
import type { Context } from 'koa';
import type { GuardState } from 'mortise';
import { userOf } from './rights.ts';

const USER = 'user ';

export function actorOf(ctx: Context): string {
  const user = userOf(ctx);
  if (user !== undefined) return USER + user;
  const { installation, consumer } = ctx.state.mortise as GuardState;
  return installation?.addonKey ?? consumer.id;
}

/** @returns undefined for an add-on: keys have no spaces. */
export function userName(actor: string): string | undefined {
  return actor.startsWith(USER) ? actor.slice(USER.length) : undefined;
}
