// Who sits at the browser: a cookie of ours names the browser, the product (or, for development, our own sign-in page)
// names the user. Forms carry a token made from the cookie, and come from our own origin.
import { createHmac } from 'node:crypto';
import type { Context } from 'koa';
import { MortiseError } from '../../core/errors.ts';
import { randomSecret, secretEquals, sha256 } from '../../core/secrets.ts';
import type { User } from '../../host/options.ts';
import type { HostParts } from '../../host/parts.ts';

const COOKIE = 'mortise_session';
const SESSION_MS = 12 * 3_600_000;

export interface BrowserSession {
  /** What rows are bound to. */
  hash: Buffer;
  /** For hidden fields named `csrf`. */
  csrf: string;
  user: User | undefined;
  isOperator: boolean;
}

/** Of a request behind the pages’ middleware. */
export function sessionOf(ctx: Context): BrowserSession {
  return ctx.state.session;
}

export async function browserSession(ctx: Context, parts: HostParts): Promise<BrowserSession> {
  const id = ctx.cookies.get(COOKIE) ?? setCookie(ctx, parts);
  const hash = sha256(id);
  const { user, isNamedOperator } = await whoIsThere(ctx, hash, parts);
  const isOperator =
    user !== undefined && (isNamedOperator || (await parts.settings.isOperator(user)));
  return { hash, csrf: csrfToken(id), user, isOperator };
}

/** A new cookie, so that one planted before the sign-in is worth nothing after it. */
export async function signIn(
  ctx: Context,
  user: { id: string; name?: string; isOperator?: boolean },
  parts: HostParts,
): Promise<void> {
  const before = ctx.cookies.get(COOKIE);
  if (before !== undefined) await parts.store.sessions.end(sha256(before));
  const id = setCookie(ctx, parts);
  const now = parts.settings.clock.now();
  await parts.store.sessions.open({
    idHash: sha256(id),
    userId: user.id,
    userName: user.name ?? null,
    isOperator: user.isOperator ?? false,
    issuer: parts.settings.signIn?.issuer ?? null,
    createdAt: now,
    expiresAt: now + SESSION_MS,
  });
}

export async function signOut(ctx: Context, parts: HostParts): Promise<void> {
  const id = ctx.cookies.get(COOKIE);
  if (id !== undefined) await parts.store.sessions.end(sha256(id));
  setCookie(ctx, parts);
}

/** @throws csrf_wrong unless the form is one of ours, shown in this browser, posted from our origin */
export function requireOwnForm(
  ctx: Context,
  session: BrowserSession,
  form: ReadonlyMap<string, string>,
  parts: HostParts,
): void {
  const origin = ctx.get('origin');
  const isOurs = origin === '' || origin === parts.settings.baseUrl;
  if (isOurs && secretEquals(form.get('csrf') ?? '', session.csrf)) return;
  throw new MortiseError({
    code: 'csrf_wrong',
    status: 403,
    message: 'This form was not shown here, or in another sign-in, so nothing was done.',
    hint: 'Open the page again and repeat.',
  });
}

function setCookie(ctx: Context, parts: HostParts): string {
  const id = randomSecret('mts_');
  const isSecure = parts.settings.baseUrl.startsWith('https:');
  // TLS usually ends before us: the base URL says what the browser sees.
  ctx.cookies.secure = isSecure;
  ctx.cookies.set(COOKIE, id, {
    httpOnly: true,
    sameSite: 'lax',
    secure: isSecure,
    path: '/',
    overwrite: true,
  });
  return id;
}

function csrfToken(id: string): string {
  return createHmac('sha256', id).update('csrf').digest('base64url');
}

interface Presence {
  user?: User;
  /** By the provider's claim. */
  isNamedOperator?: boolean;
}

async function whoIsThere(ctx: Context, hash: Buffer, parts: HostParts): Promise<Presence> {
  const { currentUser, clock, isDev, signIn } = parts.settings;
  if (currentUser) return { user: await currentUser(ctx) };
  if (!isDev && !signIn) return {};
  const session = await parts.store.sessions.find(hash, clock.now());
  // A name typed for development, or another provider's word, is worth nothing here.
  if (!session || session.issuer !== (signIn?.issuer ?? null)) return {};
  const { userId: id, userName, isOperator } = session;
  return { user: { id, name: userName ?? id }, isNamedOperator: isOperator };
}
