// Changes an installation that stands: enabled or disabled, its scopes, its resources.
import { MortiseError } from '../core/errors.ts';
import { newId } from '../core/ids.ts';
import type { CallKind, InstallationRow, LifecycleCall } from '../store/rows.ts';
import { grantableScopes } from './granted.ts';
import { installedDescriptor } from './lifecycle-call.ts';
import type { HostParts } from './parts.ts';
import { subscriptionsOf } from './subscriptions.ts';
import { installationNotFound } from './uninstall.ts';

export interface InstallationChange {
  state?: 'enabled' | 'disabled';
  scopes?: string[];
  /** null = all. */
  resources?: string[] | null;
}

const MOST_TRIES = 10;

/**
 * @throws installation_not_found, installation_not_installed, installation_changing (409), scope_unknown,
 *   scope_not_requested
 */
export async function changeInstallation(
  id: string,
  change: InstallationChange,
  parts: HostParts,
): Promise<InstallationRow> {
  const isGrantChange = change.scopes !== undefined || change.resources !== undefined;
  let installation = await getInstalled(id, parts);
  if (isGrantChange) {
    installation = await withInstalled(installation, parts, (row) =>
      changeGrant(row, change, parts),
    );
  }
  const { state } = change;
  // Whoever disables what another is just disabling is answered no earlier either: so it is done anew, if the change
  // above was none.
  const isDisabledAnew = state === 'disabled' && !isGrantChange;
  if (state !== undefined && (state !== installation.state || isDisabledAnew)) {
    installation = await withInstalled(installation, parts, (row) =>
      changeState(row, state, parts),
    );
  }
  parts.wake();
  return installation;
}

/**
 * Makes the change from what stands now; if that has changed by the time of the commit, from what stands then.
 * @param row as getInstalled() has found it.
 */
export async function withInstalled<T>(
  row: InstallationRow,
  parts: HostParts,
  change: (row: InstallationRow) => Promise<T | undefined>,
): Promise<T> {
  const { id } = row;
  let current = row;
  for (let tries = 1; ; tries++) {
    const changed = await change(current);
    if (changed) return changed;
    if (tries === MOST_TRIES) throw keepsChanging(id);
    current = await getInstalled(id, parts);
  }
}

function keepsChanging(id: string): MortiseError {
  return new MortiseError({
    code: 'installation_changing',
    status: 409,
    message: `The installation "${id}" kept being changed by others; this change was not made.`,
    hint: 'Look at it again, and repeat what is still wanted.',
  });
}

/** @throws installation_not_found, installation_not_installed */
export async function getInstalled(id: string, parts: HostParts): Promise<InstallationRow> {
  const installation = await parts.store.installations.find(id);
  if (!installation) throw installationNotFound(id);
  if (installation.state !== 'enabled' && installation.state !== 'disabled')
    throw notInstalled(installation);
  return installation;
}

async function changeGrant(
  installation: InstallationRow,
  change: InstallationChange,
  parts: HostParts,
): Promise<InstallationRow | undefined> {
  const { store, settings } = parts;
  const { id } = installation;
  const grant = await store.installations.findGrant(id);
  const descriptor = installedDescriptor(installation, parts);
  if (!grant || !descriptor) throw notInstalled(installation);
  const scopes =
    change.scopes === undefined
      ? grant.scopes
      : grantableScopes(change.scopes, descriptor.scopes, settings.platform);
  const resources = change.resources === undefined ? grant.resources : change.resources;
  const at = settings.clock.now();
  const subscriptions =
    installation.state === 'enabled' ? await subscriptionsOf(id, parts, scopes) : [];
  return store.installations.setGrant(
    id,
    { id: newId(), scopes, resources },
    {
      at,
      expectedEpoch: installation.epoch,
      subscriptions,
      call: owedCall(installation, 'scopesChanged', at, parts),
    },
  );
}

async function changeState(
  installation: InstallationRow,
  state: 'enabled' | 'disabled',
  parts: HostParts,
): Promise<InstallationRow | undefined> {
  const { store, settings } = parts;
  const { id } = installation;
  const at = settings.clock.now();
  const subscriptions = state === 'enabled' ? await subscriptionsOf(id, parts) : [];
  return store.installations.setState(id, state, {
    at,
    expectedEpoch: installation.epoch,
    subscriptions,
    // What it is already, it is not told again.
    ...(state !== installation.state && { call: owedCall(installation, state, at, parts) }),
  });
}

/** The call that tells an add-on how its webhooks fare; undefined if it did not ask to be told. */
export async function noticeOwed(
  installationId: string,
  kind: 'webhooksPaused' | 'webhooksResumed',
  parts: HostParts,
): Promise<LifecycleCall | undefined> {
  const installation = await parts.store.installations.find(installationId);
  return installation && owedCall(installation, kind, parts.settings.clock.now(), parts);
}

function owedCall(
  installation: InstallationRow,
  kind: CallKind,
  at: number,
  parts: HostParts,
): LifecycleCall | undefined {
  if (installedDescriptor(installation, parts)?.lifecycle[kind] === undefined) return undefined;
  return {
    id: newId(),
    installationId: installation.id,
    kind,
    attempts: 0,
    dueAt: at,
    createdAt: at,
  };
}

function notInstalled({ id, state }: InstallationRow): MortiseError {
  return new MortiseError({
    code: 'installation_not_installed',
    status: 409,
    message: `The installation "${id}" is ${state}, so it cannot be changed.`,
    hint: 'Install the add-on first.',
  });
}
