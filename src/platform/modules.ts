// The module types of a platform, by every name descriptors use for them.
import type { ModuleDefinition, PlatformDefinition } from './definition.ts';

export interface Modules {
  /** By canonical name. */
  all: ReadonlyMap<string, ModuleDefinition>;
  /** The canonical name of a module type as a descriptor writes it, singular or plural. */
  find(name: string): string | undefined;
}

export function compileModules(definition: PlatformDefinition): Modules {
  const all = new Map(Object.entries(definition.modules ?? {}));
  const names = new Map<string, string>();
  for (const [name, module] of all) {
    for (const alias of [name, ...(module.aliases ?? [])]) names.set(alias, name);
  }
  return { all, find: (name) => names.get(name) };
}
