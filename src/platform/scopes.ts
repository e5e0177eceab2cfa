// What a scope stands for: itself and everything it implies. Grants are stored as they were given and
// expanded when they are checked, so that a changed vocabulary takes effect at once.
import type { PlatformDefinition, ScopeDefinition } from './definition.ts';

export interface Scopes {
  readonly all: ReadonlyMap<string, ScopeDefinition>;
  /** The scope a descriptor means, in the platform's own spelling. */
  find(name: string): string | undefined;
  /** The given scopes and all they imply; unknown names count as nothing. */
  closure(granted: readonly string[]): ReadonlySet<string>;
  /** Whether what was granted covers one scope. */
  covers(granted: readonly string[], needed: string): boolean;
  /**
   * What is left of `wanted` under a grant: the wanted scopes it covers, and for a wanted scope it does
   * not cover the implied ones that it does.
   */
  within(wanted: readonly string[], granted: readonly string[]): string[];
}

const CLOSURES_KEPT = 10_000;

export function compileScopes(definition: PlatformDefinition): Scopes {
  const all = new Map(Object.entries(definition.scopes));
  const anyCase = definition.descriptors?.scopeCase === 'any';
  const byLowerCase = new Map([...all.keys()].map((name) => [name.toLowerCase(), name]));
  const closures = new Map<string, ReadonlySet<string>>();

  function expand(name: string, into: Set<string>): void {
    if (into.has(name)) return;
    const scope = all.get(name);
    if (!scope) return;
    into.add(name);
    for (const implied of scope.implies ?? []) expand(implied, into);
  }

  function closure(granted: readonly string[]): ReadonlySet<string> {
    const key = granted.join(' ');
    let set = closures.get(key);
    if (!set) {
      const expanded = new Set<string>();
      for (const name of granted) expand(name, expanded);
      if (closures.size >= CLOSURES_KEPT) closures.clear();
      closures.set(key, expanded);
      set = expanded;
    }
    return set;
  }

  return {
    all,
    closure,
    find: (name) =>
      all.has(name) ? name : anyCase ? byLowerCase.get(name.toLowerCase()) : undefined,
    covers: (granted, needed) => closure(granted).has(needed),
    within(wanted, granted) {
      const allowed = closure(granted);
      const kept = wanted.filter((name) => allowed.has(name));
      if (kept.length === wanted.length) return kept;
      const keptClosure = closure(kept);
      const fallback = [...closure(wanted)].filter(
        (name) => allowed.has(name) && !keptClosure.has(name),
      );
      return [...kept, ...fallback];
    },
  };
}
