// New secrets for an add-on that is installed: a re-install of what is in force, so that it is told by the same signed
// call, with the same candidate after a failure; but grant, webhooks and tokens stay, and the old secrets for a while.
import { MortiseError } from '../core/errors.ts';
import { SECRET_OVERLAP_MS } from '../core/secrets.ts';
import type { ExchangeRecord, InstallationRow } from '../store/rows.ts';
import { callRefused } from './call-refused.ts';
import { beginHandshake, callInstalled, type InstallPlan, installInProgress } from './handshake.ts';
import { installedDescriptor } from './lifecycle-call.ts';
import type { HostParts } from './parts.ts';
import { installationNotFound } from './uninstall.ts';

export interface RotatedSecrets {
  /** Milliseconds since 1970. */
  rotatedAt: number;
  /** The old secrets are good before. */
  previousValidUntil: number;
  /** The call that told the new ones. */
  exchange: ExchangeRecord;
}

/**
 * Replaces all three secrets. Both are good until the add-on's 2xx, the old ones a day longer; without a 2xx nothing
 * changes. A second rotation within that day ends what the first has replaced.
 * @throws installation_not_found, installation_not_enabled (409), installed_not_declared (409), install_in_progress
 *   (409), rotation_cancelled (409), rotation_refused (502, with the exchange)
 */
export async function rotateSecret(id: string, parts: HostParts): Promise<RotatedSecrets> {
  const { store, settings } = parts;
  const installation = await store.installations.find(id);
  if (!installation) throw installationNotFound(id);
  const begun = await beginHandshake(
    installation,
    (row) => planRotation(row!, installation, parts),
    parts,
  );
  const { isAccepted, exchanges } = await callInstalled(begun, parts);
  const exchange = exchanges.at(-1)!;
  const { id: handshakeId } = begun.handshake;
  const rotatedAt = settings.clock.now();
  if (!isAccepted) {
    await store.installations.refuseHandshake(handshakeId, rotatedAt);
    throw callRefused(exchange, {
      code: 'rotation_refused',
      consequence: 'the old secrets stay in force',
      again: 'rotate again: it is told the same new secrets',
    });
  }
  const previousValidUntil = rotatedAt + SECRET_OVERLAP_MS;
  await store.installations.acceptRotation(handshakeId, {
    at: rotatedAt,
    previousUntil: previousValidUntil,
  });
  parts.wake();
  return { rotatedAt, previousValidUntil, exchange };
}

/**
 * What stands, once more. Other calls are waited for, another handshake is not, though it may have ended just now: it
 * brings new secrets of its own, and a second time would end what that has replaced.
 */
async function planRotation(
  row: InstallationRow,
  asked: InstallationRow,
  parts: HostParts,
): Promise<InstallPlan> {
  const { store, settings } = parts;
  const client = await store.clients.find(row.oauthClientId);
  const isUnderWay = client?.handshake && client.handshake.deadline > settings.clock.now();
  if (isUnderWay || row.acknowledgedSecrets !== asked.acknowledgedSecrets)
    throw installInProgress(row.addonKey);
  const grant = await store.installations.findGrant(row.id);
  const descriptor = installedDescriptor(row, parts);
  if (row.state !== 'enabled' || !grant || !descriptor) throw notEnabled(row);
  if (descriptor.lifecycle.installed === undefined) throw notTold(row);
  return {
    descriptor,
    descriptorUrl: row.descriptorUrl,
    acceptNewOrigin: false,
    isRotation: true,
    context: row.context,
    scopes: grant.scopes,
    resources: grant.resources,
  };
}

function notEnabled({ id, state }: InstallationRow): MortiseError {
  return new MortiseError({
    code: 'installation_not_enabled',
    status: 409,
    message: `The installation "${id}" is ${state}, so its secrets cannot be rotated.`,
    hint:
      state === 'disabled' ? 'Enable it first.' : 'Install the add-on: that brings new secrets.',
  });
}

function notTold({ id }: InstallationRow): MortiseError {
  return new MortiseError({
    code: 'installed_not_declared',
    status: 409,
    message: `The descriptor of the installation "${id}" declares no lifecycle.installed, so the add-on cannot be told new secrets.`,
    hint: 'Its author must declare the address; then install it again.',
  });
}
