// The install handshake, first and repeated: fetch → validate → what is granted → begin → call → commit.
// The HTTP call stands between two short transactions, never inside one.
import type { MortiseError } from '../core/errors.ts';
import type { Descriptor } from '../descriptor/descriptor.ts';
import { requireValid } from '../descriptor/validate.ts';
import type { ExchangeRecord, InstallationRow } from '../store/rows.ts';
import { callRefused } from './call-refused.ts';
import { type DescriptorInput, findDescriptor } from './descriptors.ts';
import { decideGranted } from './granted.ts';
import { beginHandshake, callInstalled, commitHandshake } from './handshake.ts';
import type { HostParts } from './parts.ts';
import { requireSameOrigin } from './same-origin.ts';

export interface InstallRequest extends DescriptorInput {
  /** The product's own name of the place: a workspace, a site. */
  context?: string;
  /** Which of the scopes asked for are granted. Default: all. */
  scopes?: string[];
  /** Which resources; default all of the context. */
  resources?: string[];
  /** The add-on has moved to another origin, and that is meant. */
  acceptNewOrigin?: boolean;
}

export interface Installed {
  installation: InstallationRow;
  descriptor: Descriptor;
  scopes: string[];
  resources: string[] | null;
  warnings: { code: string; message: string; pointer?: string }[];
  exchanges: ExchangeRecord[];
}

/**
 * @throws descriptor faults (422), context_required (422), scope_not_requested (422), addon_key_taken (409),
 *   install_in_progress (409), install_refused (502, with the exchange)
 */
export async function install(request: InstallRequest, parts: HostParts): Promise<Installed> {
  const { clock, platform } = parts.settings;
  const validation = await findDescriptor(request, parts);
  const descriptor = requireValid(validation);
  const granted = decideGranted(request, descriptor, platform);
  await requireSameOrigin(request, descriptor, granted.context, parts);

  const plan = {
    descriptor,
    descriptorUrl: request.descriptorUrl ?? null,
    acceptNewOrigin: request.acceptNewOrigin ?? false,
    isRotation: false,
    ...granted,
  };
  const target = { addonKey: descriptor.key, context: granted.context };
  const begun = await beginHandshake(target, async () => plan, parts);
  const { isAccepted, exchanges } = await callInstalled(begun, parts);
  if (!isAccepted) {
    await parts.store.installations.refuseHandshake(begun.handshake.id, clock.now());
    throw installRefused(exchanges.at(-1)!, begun.handshake.installation);
  }
  const installation = await commitHandshake(begun, parts);
  parts.wake();
  return {
    installation,
    descriptor,
    scopes: granted.scopes,
    resources: granted.resources,
    warnings: validation.faults,
    exchanges,
  };
}

function installRefused(exchange: ExchangeRecord, before: InstallationRow): MortiseError {
  const isInstalled = before.state === 'enabled' || before.state === 'disabled';
  return callRefused(exchange, {
    code: 'install_refused',
    consequence: isInstalled ? 'the installation stays as it was' : 'nothing was installed',
    again: 'install it again',
  });
}
