// What a grant can be limited to, as the product names it.
import type { HostParts } from '../../host/parts.ts';
import type { Resource } from '../pages/resource-choice.tsx';

/** Everything in these contexts, of every kind that stands by itself; empty where the product names nothing. */
export async function resourcesIn(
  contexts: string[],
  { settings: { directory, platform } }: HostParts,
): Promise<Resource[]> {
  if (!directory) return [];
  const kinds = Object.entries(platform.definition.resources ?? {}).flatMap(([kind, { within }]) =>
    within ? [] : [kind],
  );
  const lists = await Promise.all(
    contexts.flatMap((context) => kinds.map((kind) => directory.resources(context, kind))),
  );
  return [...new Map(lists.flat().map((resource) => [resource.id, resource])).values()];
}
