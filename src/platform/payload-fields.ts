// A payload schema read as a list of fields: which are named, which need a scope, which objects are
// open. Redaction is an allow-list made from this; what it cannot read, it refuses.
import { escapePointer } from '../core/json-source.ts';
import type { JsonSchema } from './definition.ts';

/** What the schema says about the value in one place. */
export interface FieldNode {
  /** Undeclared fields of this object are passed on. */
  isOpen: boolean;
  properties: Map<string, Field>;
  items: Field | undefined;
}

export interface Field {
  /** Every one of these is needed to see the value. */
  scopes: string[];
  node: FieldNode;
}

export interface SchemaFault {
  pointer: string;
  code: string;
  message: string;
  hint?: string;
}

interface Place {
  isRoot: boolean;
  isBlind: boolean;
}

/** Keywords under which a value is described by another schema of the same place. */
const SAME_PLACE_LISTS = ['allOf', 'anyOf', 'oneOf'] as const;
const SAME_PLACE = ['then', 'else'] as const;
/** Keywords under which redaction does not look, so that no scope may hide there. */
const BLIND_LISTS = ['anyOf', 'oneOf'] as const;
const BLIND = [
  'not',
  'if',
  'then',
  'else',
  'additionalProperties',
  'additionalItems',
  'contains',
  'propertyNames',
] as const;
const BLIND_MAPS = ['patternProperties', 'dependencies'] as const;

export function isSchema(value: unknown): value is JsonSchema {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * Reads a payload schema.
 * @param resolve turns a `$ref` into a schema of the same definition.
 */
export function readFields(
  root: JsonSchema,
  resolve: (ref: string) => JsonSchema | undefined,
): FieldNode {
  const ids = new Map<JsonSchema, number>();
  const nodes = new Map<string, FieldNode>();

  function nodeOf(schemas: JsonSchema[]): FieldNode {
    const all = samePlace(schemas, resolve);
    const key = [...all]
      .map((s) => idOf(s))
      .sort()
      .join(' ');
    const known = nodes.get(key);
    if (known) return known;
    const node: FieldNode = { isOpen: false, properties: new Map(), items: undefined };
    nodes.set(key, node);
    const named = new Map<string, JsonSchema[]>();
    const items: JsonSchema[] = [];
    for (const facet of all) {
      if (facet['x-open'] === true) node.isOpen = true;
      for (const [name, schema] of Object.entries(
        isSchema(facet.properties) ? facet.properties : {},
      )) {
        named.set(name, [...(named.get(name) ?? []), isSchema(schema) ? schema : {}]);
      }
      if (isSchema(facet.items)) items.push(facet.items);
    }
    for (const [name, schemas] of named) node.properties.set(name, fieldOf(schemas));
    if (items.length > 0) node.items = fieldOf(items);
    return node;
  }

  function fieldOf(schemas: JsonSchema[]): Field {
    const all = samePlace(schemas, resolve);
    const scopes = [...all]
      .map((s) => s['x-scope'])
      .filter((s): s is string => typeof s === 'string');
    return { scopes: [...new Set(scopes)], node: nodeOf(schemas) };
  }

  function idOf(schema: JsonSchema): number {
    if (!ids.has(schema)) ids.set(schema, ids.size);
    return ids.get(schema)!;
  }

  return nodeOf([root]);
}

/**
 * Where `x-scope` and `x-open` stand and may not. `x-scope` may sit under `properties`, `items`, `$ref`
 * and `allOf`, and never on a required property: leaving it out would break the payload's own schema.
 * @param pointer of the root schema in its document.
 */
export function checkFields(
  root: JsonSchema,
  pointer: string,
  isScope: (name: string) => boolean,
  resolve: (ref: string) => JsonSchema | undefined,
): SchemaFault[] {
  const faults: SchemaFault[] = [];
  const seen = new Set<string>();

  function visit(schema: JsonSchema, at: string, place: Place): void {
    const key = `${at} ${place.isRoot} ${place.isBlind}`;
    if (seen.has(key)) return;
    seen.add(key);
    const scope = schema['x-scope'];
    if (scope !== undefined) {
      if (typeof scope !== 'string' || !isScope(scope)) {
        faults.push({
          pointer: `${at}/x-scope`,
          code: 'platform_scope_unknown',
          message: `${JSON.stringify(scope)} is not a scope of this platform.`,
        });
      }
      if (place.isRoot) {
        faults.push({
          pointer: `${at}/x-scope`,
          code: 'platform_x_scope_misplaced',
          message: 'A whole payload cannot be left out by x-scope.',
          hint: 'Use the "scope" of the event.',
        });
      }
      if (place.isBlind) faults.push(blind(`${at}/x-scope`, 'x-scope'));
    }
    if (place.isBlind && schema['x-open'] !== undefined)
      faults.push(blind(`${at}/x-open`, 'x-open'));
    if (Array.isArray(schema.items)) {
      faults.push({
        pointer: `${at}/items`,
        code: 'platform_tuple',
        message: 'A list of schemas under "items" cannot be redacted.',
        hint: 'Describe every element by one schema.',
      });
    }
    checkRequired(schema, at);
    if (typeof schema.$ref === 'string') {
      const target = resolve(schema.$ref);
      if (target) visit(target, schema.$ref.slice(1), place);
      else
        faults.push({
          pointer: `${at}/$ref`,
          code: 'platform_ref_unknown',
          message: `"${schema.$ref}" refers to nothing.`,
          hint: 'Refer to #/definitions/NAME of this document.',
        });
    }
    listOf(schema.allOf).forEach((branch, i) => {
      visit(branch, `${at}/allOf/${i}`, place);
    });
    const below = { isRoot: false, isBlind: place.isBlind };
    for (const [name, property] of entriesOf(schema.properties)) {
      visit(property, `${at}/properties/${escapePointer(name)}`, below);
    }
    if (isSchema(schema.items)) visit(schema.items, `${at}/items`, below);
    const inside = { isRoot: false, isBlind: true };
    for (const keyword of BLIND) {
      if (isSchema(schema[keyword])) visit(schema[keyword], `${at}/${keyword}`, inside);
    }
    for (const keyword of BLIND_LISTS) {
      listOf(schema[keyword]).forEach((branch, i) => {
        visit(branch, `${at}/${keyword}/${i}`, inside);
      });
    }
    for (const keyword of BLIND_MAPS) {
      for (const [name, branch] of entriesOf(schema[keyword])) {
        visit(branch, `${at}/${keyword}/${escapePointer(name)}`, inside);
      }
    }
  }

  /** Required here or in any schema of the same place, reached through $ref and branches. */
  function checkRequired(schema: JsonSchema, at: string): void {
    const required = new Set<string>();
    const named = new Map<string, JsonSchema[]>();
    for (const facet of samePlace([schema], resolve)) {
      for (const name of Array.isArray(facet.required) ? facet.required : [])
        required.add(String(name));
      for (const [name, property] of entriesOf(facet.properties)) {
        named.set(name, [...(named.get(name) ?? []), property]);
      }
    }
    for (const [name, schemas] of named) {
      if (!required.has(name)) continue;
      const scoped = [...samePlace(schemas, resolve)].some((s) => s['x-scope'] !== undefined);
      if (!scoped) continue;
      const here = entriesOf(schema.properties).some(([own]) => own === name);
      faults.push({
        pointer: here ? `${at}/properties/${escapePointer(name)}` : at,
        code: 'platform_x_scope_required',
        message: `"${name}" needs a scope and is required: without it the payload would not fit its own schema.`,
        hint: 'Take it out of "required".',
      });
    }
  }

  visit(root, pointer, { isRoot: true, isBlind: false });
  const unique = new Map(faults.map((f) => [`${f.pointer} ${f.message}`, f]));
  return [...unique.values()];
}

/** All schemas that describe the value in one place: the schemas, what they refer to, their branches. */
function samePlace(
  schemas: JsonSchema[],
  resolve: (ref: string) => JsonSchema | undefined,
  into = new Set<JsonSchema>(),
): Set<JsonSchema> {
  for (const schema of schemas) {
    if (into.has(schema)) continue;
    into.add(schema);
    const referred = typeof schema.$ref === 'string' ? resolve(schema.$ref) : undefined;
    const branches = SAME_PLACE_LISTS.flatMap((keyword) => listOf(schema[keyword]));
    const outcomes = SAME_PLACE.map((keyword) => schema[keyword]).filter(isSchema);
    samePlace([...(referred ? [referred] : []), ...branches, ...outcomes], resolve, into);
  }
  return into;
}

function blind(pointer: string, keyword: string): SchemaFault {
  return {
    pointer,
    code: 'platform_x_scope_misplaced',
    message: `"${keyword}" stands where redaction does not look.`,
    hint: 'It may sit under properties, items, $ref and allOf.',
  };
}

function listOf(value: unknown): JsonSchema[] {
  return Array.isArray(value) ? value.filter(isSchema) : [];
}

function entriesOf(value: unknown): [string, JsonSchema][] {
  return isSchema(value)
    ? Object.entries(value).filter((e): e is [string, JsonSchema] => isSchema(e[1]))
    : [];
}
