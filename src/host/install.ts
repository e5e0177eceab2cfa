// The install handshake, first and repeated: fetch → validate → what is granted → begin → call → commit.
// The HTTP call stands between two short transactions, never inside one.
import { MortiseError } from '../core/errors.ts';
import type { Descriptor } from '../descriptor/descriptor.ts';
import { requireValid } from '../descriptor/validate.ts';
import type { ExchangeRecord, InstallationRow } from '../store/rows.ts';
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
    ...granted,
  };
  const begun = await beginHandshake(plan, parts);
  const { isAccepted, exchanges } = await callInstalled(plan, begun, parts);
  if (!isAccepted) {
    await parts.store.installations.refuseHandshake(begun.handshake.id, clock.now());
    throw installRefused(exchanges.at(-1)!, begun.handshake.installation);
  }
  const installation = await commitHandshake(plan, begun, parts);
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
  const { method, url, status, errorCode, message, excerpt, durationMs } = exchange;
  const what =
    status === null ? `did not answer (${message?.replace(/\.$/, '')})` : `answered ${status}`;
  const isInstalled = before.state === 'enabled' || before.state === 'disabled';
  const isRedirect = status !== null && status >= 300 && status < 400;
  return new MortiseError({
    code: 'install_refused',
    status: 502,
    message: `The add-on ${what} to ${method} ${url} after ${durationMs} ms, so ${isInstalled ? 'the installation stays as it was' : 'nothing was installed'}.`,
    hint: isRedirect
      ? 'Redirects are not followed: the descriptor must name the address itself.'
      : 'Ask its author; the beginning of the answer is in "exchange". Then install it again.',
    extensions: {
      exchange: { method, url, status, error: errorCode, message, excerpt, durationMs },
    },
  });
}
