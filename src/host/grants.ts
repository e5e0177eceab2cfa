// Taking back what was granted: tokens die in that moment, since every check reads the grant.
import { MortiseError } from '../core/errors.ts';
import { newId } from '../core/ids.ts';
import type { GrantView } from '../store/oauth-rows.ts';
import type { HostParts } from './parts.ts';

/** A user takes back a grant of their own. @throws grant_not_found */
export async function revokeOwnGrant(
  id: string,
  userId: string,
  parts: HostParts,
): Promise<GrantView> {
  const grant = await ownGrant(id, userId, parts);
  await parts.store.grants.end(id, parts.settings.clock.now(), 'revoked_by_user');
  parts.wake();
  return grant;
}

/**
 * One scope of one, and with it every scope that implies it: those would give it back.
 * @throws grant_not_found, grant_of_installation
 */
export async function revokeOwnScope(
  id: string,
  scope: string,
  userId: string,
  parts: HostParts,
): Promise<void> {
  const grant = await ownGrant(id, userId, parts);
  if (grant.kind !== 'user') {
    throw new MortiseError({
      code: 'grant_of_installation',
      status: 409,
      message: 'This add-on acts for you with what it was installed for, all of it or nothing.',
      hint: 'Revoke all of it; or ask who administers the add-on to narrow what it was granted.',
    });
  }
  const { scopes } = parts.settings.platform;
  const left = grant.scopes.filter((granted) => !scopes.covers([granted], scope));
  await parts.store.grants.narrow(id, newId(), left, parts.settings.clock.now());
  parts.wake();
}

/** @returns how many ended */
export async function revokeAllOwnGrants(userId: string, parts: HostParts): Promise<number> {
  let count = 0;
  for (;;) {
    const grants = await parts.store.grants.list({ userId, limit: 100 });
    for (const { id } of grants) {
      if (await parts.store.grants.end(id, parts.settings.clock.now(), 'revoked_by_user')) count++;
    }
    if (grants.length < 100) break;
  }
  parts.wake();
  return count;
}

/** An operator ends any grant to a consumer. @throws grant_not_found, grant_of_installation */
export async function endGrant(id: string, parts: HostParts): Promise<void> {
  const grant = await parts.store.grants.find(id);
  if (!grant) throw grantNotFound(id);
  if (grant.kind !== 'user') {
    throw new MortiseError({
      code: 'grant_of_installation',
      status: 409,
      message: 'This grant belongs to an installation or a consumer itself.',
      hint: 'Uninstall the add-on, or delete the consumer.',
    });
  }
  await parts.store.grants.end(id, parts.settings.clock.now(), 'revoked_by_operator');
  parts.wake();
}

/** Every grant of theirs ends, and new ones are refused. @returns how many ended */
export async function deactivateUser(userId: string, parts: HostParts): Promise<number> {
  const ended = await parts.store.grants.deactivateUser(userId, parts.settings.clock.now());
  parts.wake();
  return ended;
}

async function ownGrant(id: string, userId: string, parts: HostParts): Promise<GrantView> {
  const grant = await parts.store.grants.find(id);
  // Another user's grant is no business of this one, not even that it exists.
  if (!grant || grant.userId !== userId) throw grantNotFound(id);
  return grant;
}

function grantNotFound(id: string): MortiseError {
  return new MortiseError({
    code: 'grant_not_found',
    status: 404,
    message: `There is no grant "${id}", or no longer.`,
  });
}
