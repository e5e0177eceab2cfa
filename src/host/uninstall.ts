// Uninstalls: everything ends in one transaction, then the add-on is told, durably and signed.
import { MortiseError } from '../core/errors.ts';
import { newId } from '../core/ids.ts';
import { installedDescriptor } from './lifecycle-call.ts';
import type { HostParts } from './parts.ts';

/** Again for an uninstalled one: nothing happens. @throws installation_not_found */
export async function uninstall(id: string, parts: HostParts): Promise<void> {
  const installation = await parts.store.installations.find(id);
  if (!installation) throw installationNotFound(id);
  const now = parts.settings.clock.now();
  const hasAddress = installedDescriptor(installation, parts)?.lifecycle.uninstalled !== undefined;
  const goodbye = hasAddress
    ? {
        id: newId(),
        installationId: id,
        kind: 'uninstalled' as const,
        attempts: 0,
        dueAt: now,
        createdAt: now,
      }
    : undefined;
  await parts.store.installations.uninstall(id, now, goodbye);
  parts.wake();
}

export function installationNotFound(id: string): MortiseError {
  return new MortiseError({
    code: 'installation_not_found',
    status: 404,
    message: `There is no installation "${id}".`,
    hint: 'GET /operator/v1/installations lists them.',
  });
}
