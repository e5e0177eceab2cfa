// What the frame of a page shows of the person in front of it.
import type { Context } from 'koa';
import type { HostParts } from '../../host/parts.ts';
import type { Frame } from '../pages/layout.tsx';
import { type BrowserSession, sessionOf } from './session.ts';

export function frameOf(ctx: Context, parts: HostParts): Frame {
  const { platform, isDev, currentUser, signIn } = parts.settings;
  // None where the product could not say who is there: that failure is a page too.
  const session = sessionOf(ctx) as BrowserSession | undefined;
  if (!session) return { name: platform.name };
  const { user, csrf, isOperator } = session;
  return {
    name: platform.name,
    user,
    isOperator,
    path: ctx.path,
    csrf,
    canSignOut: currentUser === undefined && (isDev || signIn !== undefined),
  };
}
