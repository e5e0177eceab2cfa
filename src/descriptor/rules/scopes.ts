// Every scope must be one of the platform's.
import { didYouMean } from '../../core/suggest.ts';
import type { RuleContext } from './context.ts';

export function scopesRule(context: RuleContext): void {
  const { scopes } = context.document;
  if (!Array.isArray(scopes)) return;
  const seen = new Set<string>();
  scopes.forEach((name, i) => {
    if (typeof name !== 'string') return;
    const scope = context.platform.scopes.find(name);
    if (scope === undefined) {
      const hint = didYouMean(name, context.platform.scopes.all.keys());
      context.error(
        `/scopes/${i}`,
        'scope_unknown',
        `"${name}" is not a scope of this platform.`,
        `${hint ? `${hint} ` : ''}All scopes: GET /operator/v1/scopes`,
      );
    } else if (seen.has(scope)) {
      context.warn(`/scopes/${i}`, 'scope_repeated', `"${name}" is asked for twice.`);
    } else {
      seen.add(scope);
    }
  });
}
