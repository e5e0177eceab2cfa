// What may be seen, worked out a second time and in another way than src/platform does it: one concrete
// path at a time, from the top of the schema, never a tree walked beside the payload. It imports nothing
// from src.

export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };
export type Schema = { [keyword: string]: unknown };
export type Path = (string | number)[];

export interface Definition {
  scopes: Record<string, { sentence: string; implies?: string[] }>;
  events: Record<string, { title: string; scope: string; payload: Schema; example: Json }>;
  definitions?: Record<string, Schema>;
}

/** Everything granted and implied: by repetition until nothing is added. */
export function closureOf(definition: Definition, granted: string[]): Set<string> {
  const reached = new Set(granted.filter((name) => Object.hasOwn(definition.scopes, name)));
  for (let before = -1; before !== reached.size; ) {
    before = reached.size;
    for (const [name, { implies = [] }] of Object.entries(definition.scopes)) {
      if (reached.has(name)) for (const implied of implies) reached.add(implied);
    }
  }
  return reached;
}

/** All schemas that speak about one place: by a work list over `$ref`, `allOf` and `anyOf`. */
export function facetsOf(definition: Definition, schemas: Schema[]): Schema[] {
  const found: Schema[] = [];
  const work = [...schemas];
  for (let schema = work.shift(); schema !== undefined; schema = work.shift()) {
    if (found.includes(schema)) continue;
    found.push(schema);
    if (typeof schema.$ref === 'string') work.push(definitionOf(definition, schema.$ref));
    work.push(...((schema.allOf ?? []) as Schema[]), ...((schema.anyOf ?? []) as Schema[]));
  }
  return found;
}

function definitionOf(definition: Definition, ref: string): Schema {
  const name = ref.replace('#/definitions/', '').replaceAll('~1', '/').replaceAll('~0', '~');
  return definition.definitions![name]!;
}

/** The schemas of one property, over all facets of its object. */
export function propertyOf(facets: Schema[], name: string): Schema[] {
  return facets
    .map((facet) => (facet.properties ?? {}) as Record<string, Schema>)
    .filter((properties) => Object.hasOwn(properties, name))
    .map((properties) => properties[name]!);
}

export function itemsOf(facets: Schema[]): Schema[] {
  return facets.flatMap((facet) => (facet.items === undefined ? [] : [facet.items as Schema]));
}

/** @returns why the value at this path may not be seen, or undefined if it may. */
export function whyHidden(
  definition: Definition,
  root: Schema,
  closure: Set<string>,
  path: Path,
): string | undefined {
  let facets = facetsOf(definition, [root]);
  for (const step of path) {
    const isOpen = facets.some((facet) => facet['x-open'] === true);
    const next = typeof step === 'number' ? itemsOf(facets) : propertyOf(facets, step);
    if (next.length === 0) {
      // What an open object names, it names for the objects of a list that stands in its place.
      if (isOpen && typeof step === 'number') continue;
      if (isOpen) return undefined;
      if (typeof step === 'string') return 'the schema does not name it';
      // An element nobody describes is part of the list that was named; a field inside it is not named.
      facets = [];
      continue;
    }
    facets = facetsOf(definition, next);
    const missing = facets.find(
      (facet) => facet['x-scope'] !== undefined && !closure.has(facet['x-scope'] as string),
    );
    if (missing) return `it needs "${missing['x-scope']}"`;
  }
  return undefined;
}

/** Every value in a document with its path; the document itself comes first. */
export function* nodesOf(value: Json, path: Path = []): Generator<{ path: Path; value: Json }> {
  yield { path, value };
  if (Array.isArray(value)) {
    for (const [i, element] of value.entries()) yield* nodesOf(element, [...path, i]);
  } else if (typeof value === 'object' && value !== null) {
    for (const [name, child] of Object.entries(value)) yield* nodesOf(child, [...path, name]);
  }
}

/** What a value is without its children; two of them are compared by `===`. */
function own(value: Json): string {
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' && value !== null ? 'an object' : JSON.stringify(value);
}

const MARKER = /mk-\d{6}-|7000000\d{4}/g;

/** Every leaf that a drawn payload carries is unique, so that it is recognised wherever it turns up. */
export function markersIn(text: string): string[] {
  return text.match(MARKER) ?? [];
}

/**
 * Compares what arrived with what was published.
 * @param received the payload as it arrived.
 * @param text everything that arrived with it, character for character.
 * @returns one sentence for each thing that was seen and may not be, or was not seen and may.
 */
export function violations(
  definition: Definition,
  { type, payload: published }: { type: string; payload: Json },
  granted: string[],
  received: Json,
  text = JSON.stringify(received),
): string[] {
  const root = definition.events[type]!.payload;
  const closure = closureOf(definition, granted);
  const hidden = (path: Path) => whyHidden(definition, root, closure, path);
  const before = new Map([...nodesOf(published)].map((n) => [JSON.stringify(n.path), n]));
  const after = new Map([...nodesOf(received)].map((n) => [JSON.stringify(n.path), n]));
  const found: string[] = [];
  const visibleMarkers = new Set<string>();
  for (const [at, { path, value }] of before) {
    const why = hidden(path);
    const seen = after.get(at);
    if (why === undefined) {
      if (!seen) found.push(`${at} is missing`);
      else if (own(seen.value) !== own(value)) found.push(`${at} arrived as ${own(seen.value)}`);
      for (const marker of markersIn(own(value))) visibleMarkers.add(marker);
    } else if (seen) {
      found.push(`${at} was seen, though ${why}`);
    }
  }
  for (const at of after.keys()) if (!before.has(at)) found.push(`${at} was never published`);
  for (const marker of markersIn(text)) {
    if (!visibleMarkers.has(marker)) found.push(`the text contains ${marker}, which is hidden`);
  }
  return found;
}
