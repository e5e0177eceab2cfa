// Scopes as a person reads them: grouped by what they are about, each with its level and sentence.
import type { Platform } from '../platform/platform.ts';

export interface ScopeView {
  name: string;
  sentence: string;
  level: 'read' | 'write' | 'admin' | undefined;
  isOptional: boolean;
  /** Granted before: nothing new. */
  wasGranted: boolean;
}

export interface ScopeGroup {
  resource: string;
  scopes: ScopeView[];
}

/** @param scopes what is asked for; what another one of them implies is not said twice. */
export function groupScopes(
  scopes: string[],
  platform: Platform,
  options: { optional?: string[]; granted?: string[] } = {},
): ScopeGroup[] {
  const granted = platform.scopes.closure(options.granted ?? []);
  const groups = new Map<string, ScopeView[]>();
  for (const name of scopes) {
    const scope = platform.scopes.all.get(name);
    if (!scope) continue;
    const isImplied = scopes.some(
      (other) => other !== name && platform.scopes.covers([other], name),
    );
    const isOptional = options.optional?.includes(name) ?? false;
    if (isImplied && !isOptional) continue;
    const resource = scope.resource ?? 'other';
    const title = platform.definition.resources?.[resource]?.title ?? resource;
    groups.set(title, [
      ...(groups.get(title) ?? []),
      {
        name,
        sentence: scope.sentence,
        level: scope.level,
        isOptional,
        wasGranted: granted.has(name),
      },
    ]);
  }
  return [...groups].map(([resource, list]) => ({ resource, scopes: list }));
}
