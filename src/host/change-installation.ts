// Changes an installation that stands: enabled or disabled, its scopes, its resources.
import { MortiseError } from '../core/errors.ts';
import { newId } from '../core/ids.ts';
import type { CallKind, InstallationRow, LifecycleCall } from '../store/rows.ts';
import { grantableScopes } from './granted.ts';
import { installedDescriptor } from './lifecycle-call.ts';
import type { HostParts } from './parts.ts';
import { planSubscriptions } from './subscriptions.ts';
import { installationNotFound } from './uninstall.ts';

export interface InstallationChange {
  state?: 'enabled' | 'disabled';
  scopes?: string[];
  /** null = all. */
  resources?: string[] | null;
}

/** @throws installation_not_found, installation_not_installed (409), scope_unknown, scope_not_requested */
export async function changeInstallation(
  id: string,
  change: InstallationChange,
  parts: HostParts,
): Promise<InstallationRow> {
  let installation = await parts.store.installations.find(id);
  if (!installation) throw installationNotFound(id);
  if (installation.state !== 'enabled' && installation.state !== 'disabled')
    throw notInstalled(installation);
  if (change.scopes !== undefined || change.resources !== undefined) {
    installation = await changeGrant(installation, change, parts);
  }
  if (change.state !== undefined && change.state !== installation.state) {
    installation = await changeState(installation, change.state, parts);
  }
  parts.wake();
  return installation;
}

async function changeGrant(
  installation: InstallationRow,
  change: InstallationChange,
  parts: HostParts,
): Promise<InstallationRow> {
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
  const webhooks = await store.installations.findWebhooks(id);
  const subscriptions =
    installation.state === 'enabled' ? planSubscriptions(webhooks, scopes, settings.platform) : [];
  const changed = await store.installations.setGrant(
    id,
    { id: newId(), scopes, resources },
    { at, subscriptions, call: owedCall(installation, 'scopesChanged', at, parts) },
  );
  if (!changed) throw notInstalled(installation);
  return changed;
}

async function changeState(
  installation: InstallationRow,
  state: 'enabled' | 'disabled',
  parts: HostParts,
): Promise<InstallationRow> {
  const { store, settings } = parts;
  const { id } = installation;
  const at = settings.clock.now();
  const grant = await store.installations.findGrant(id);
  const webhooks = await store.installations.findWebhooks(id);
  const subscriptions =
    state === 'enabled' ? planSubscriptions(webhooks, grant?.scopes ?? [], settings.platform) : [];
  const changed = await store.installations.setState(id, state, {
    at,
    subscriptions,
    call: owedCall(installation, state, at, parts),
  });
  if (!changed) throw notInstalled(installation);
  return changed;
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
