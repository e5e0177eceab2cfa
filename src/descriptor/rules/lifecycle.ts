// Where the add-on is told about itself.
import { escapePointer } from '../../core/json-source.ts';
import { didYouMean } from '../../core/suggest.ts';
import { LIFECYCLE_KINDS } from '../descriptor.ts';
import { isObject, webhooksOf } from '../webhooks.ts';
import type { RuleContext } from './context.ts';

const KNOWN: readonly string[] = [...LIFECYCLE_KINDS, 'authorizationRevoked'];

/** Of other products or later versions: never called here. */
const TOLERATED = new Set(['upgraded']);

export function lifecycleRule(context: RuleContext): void {
  const { lifecycle } = context.document;
  const declared = isObject(lifecycle) ? lifecycle : {};
  for (const [name, address] of Object.entries(declared)) {
    const at = `/lifecycle/${escapePointer(name)}`;
    if (KNOWN.includes(name)) context.checkAddress(address, at);
    else if (TOLERATED.has(name))
      context.warn(at, 'lifecycle_ignored', `"${name}" is never called by this host.`);
    else {
      context.error(
        at,
        'lifecycle_unknown',
        `"${name}" is not a lifecycle call.`,
        didYouMean(name, KNOWN) ??
          `Known: ${KNOWN.join(', ')}. Credentials are made by the host; they do not stand in a descriptor.`,
      );
    }
  }
  if (declared.installed === undefined && webhooksOf(context.document).length > 0) {
    context.warn(
      '',
      'lifecycle_installed_missing',
      'There are webhooks but no lifecycle.installed: the add-on never learns the secrets that sign them.',
      'Add "lifecycle": {"installed": "/installed"}.',
    );
  }
}
