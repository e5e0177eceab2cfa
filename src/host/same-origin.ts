// Whoever first used an add-on key keeps it: another origin claiming the same key would inherit trust.
import { MortiseError } from '../core/errors.ts';
import type { Descriptor } from '../descriptor/descriptor.ts';
import type { HostParts } from './parts.ts';

/** @throws addon_key_taken unless the caller accepts the new origin */
export async function requireSameOrigin(
  request: { descriptorUrl?: string; acceptNewOrigin?: boolean },
  descriptor: Descriptor,
  context: string,
  parts: HostParts,
): Promise<void> {
  if (request.acceptNewOrigin) return;
  for (const other of await parts.store.installations.findOthers(descriptor.key)) {
    if (other.state !== 'enabled' && other.state !== 'disabled') continue;
    const origin = new URL(other.baseUrl!).origin;
    if (origin !== new URL(descriptor.baseUrl).origin) {
      throw addonKeyTaken(descriptor, origin, other.id);
    }
    const isHere = other.context === context;
    if (
      isHere &&
      request.descriptorUrl &&
      other.descriptorUrl &&
      request.descriptorUrl !== other.descriptorUrl
    ) {
      throw taken(descriptor.key, `was installed from ${other.descriptorUrl}`, other.id);
    }
  }
}

/** Another origin uses this key, or is just about to. */
export function addonKeyTaken(
  { key, baseUrl }: Descriptor,
  origin: string,
  installationId?: string,
): MortiseError {
  return taken(key, `lives at ${origin}, not at ${new URL(baseUrl).origin}`, installationId);
}

function taken(key: string, how: string, installationId?: string): MortiseError {
  return new MortiseError({
    code: 'addon_key_taken',
    status: 409,
    message: `An installed add-on has the key "${key}" and ${how}.`,
    hint: 'If the add-on has moved, send "acceptNewOrigin": true; if it is another add-on, its author must choose another key.',
    extensions: installationId === undefined ? {} : { installationId },
  });
}
