// The descriptor's JSON Schema with this platform's own scopes, events and modules: what an editor completes
// from. Draft-07, since the validators add-on authors have know nothing later.
import { readSchema } from '../core/schemas.ts';
import type { JsonSchema } from './definition.ts';
import type { Platform } from './platform.ts';

export function descriptorSchema(platform: Platform, hostUrl: string): JsonSchema {
  // biome-ignore lint/suspicious/noExplicitAny: a JSON Schema is walked by its known shape
  const schema = structuredClone(readSchema('descriptor.schema.json')) as any;
  schema.$id = `${hostUrl}/schemas/descriptor.json`;
  schema.title = `Descriptor of an add-on for ${platform.name}`;
  schema.properties.scopes.items = {
    anyOf: [...platform.scopes.all].map(([name, { sentence }]) => ({
      const: name,
      description: sentence,
    })),
  };
  schema.definitions.webhook.properties.event = {
    anyOf: [
      { const: '*', description: 'Everything that is granted.' },
      ...[...platform.events.values()].map(({ type, title, scope }) => ({
        const: type,
        description: `${title} (needs "${scope}")`,
      })),
    ],
  };
  if (platform.contextKinds.size > 0)
    schema.properties.contexts.items = { enum: [...platform.contextKinds.keys()] };
  for (const [name, module] of platform.modules.all) {
    const item = { type: 'object', ...(module.item ?? {}) };
    const shape = module.single ? item : { anyOf: [{ type: 'array', items: item }, item] };
    for (const alias of [name, ...(module.aliases ?? [])]) {
      schema.properties.modules.properties[alias] = { ...shape, description: module.title };
    }
  }
  schema.definitions = { ...platform.definition.definitions, ...schema.definitions };
  return schema;
}
