// The kinds of places the add-on can be installed in.
import { didYouMean } from '../../core/suggest.ts';
import type { RuleContext } from './context.ts';

export function contextsRule(context: RuleContext): void {
  const { contexts } = context.document;
  if (!Array.isArray(contexts)) return;
  const kinds = context.platform.contextKinds;
  contexts.forEach((kind, i) => {
    if (typeof kind !== 'string' || kinds.has(kind)) return;
    const at = `/contexts/${i}`;
    if (kinds.size === 0) {
      context.warn(at, 'context_ignored', `"${kind}" is ignored: this platform has no contexts.`);
    } else {
      context.error(
        at,
        'context_unknown',
        `"${kind}" is not a kind of context of this platform.`,
        didYouMean(kind, kinds.keys()) ?? `Known: ${[...kinds.keys()].join(', ')}.`,
      );
    }
  });
}
