// Random platforms, and payloads that fit them and carry more than they name.
import type { GeneratorValue } from 'fast-check';
import fc from 'fast-check';
import {
  type Definition,
  facetsOf,
  itemsOf,
  type Json,
  propertyOf,
  type Schema,
} from './oracle.ts';

/** Choices that fast-check records, repeats and shrinks: towards the smallest and towards "no". */
export class Draw {
  readonly #g: GeneratorValue;
  #markers = 0;
  #nodes = 0;

  constructor(g: GeneratorValue) {
    this.#g = g;
  }

  int(min: number, max: number): number {
    return this.#g(fc.integer, { min, max });
  }

  maybe(percent: number): boolean {
    return this.int(0, 99) >= 100 - percent;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.int(0, list.length - 1)]!;
  }

  some<T>(list: readonly T[], percent = 50): T[] {
    return list.filter(() => this.maybe(percent));
  }

  /** So many of the list, in any order, each once. */
  few<T>(list: readonly T[], min: number, max: number): T[] {
    const rest = [...list];
    const count = Math.min(this.int(min, max), rest.length);
    return Array.from({ length: count }, () => rest.splice(this.int(0, rest.length - 1), 1)[0]!);
  }

  marker(): string {
    return `mk-${String(++this.#markers).padStart(6, '0')}-`;
  }

  number(): number {
    return 70_000_000_000 + ++this.#markers;
  }

  /** Whether a payload may still grow. */
  hasRoom(): boolean {
    return this.#nodes < 60;
  }

  countNode(): void {
    this.#nodes++;
  }

  startPayload(): void {
    this.#nodes = 0;
  }
}

/** What a value of this name is, wherever the name stands: so that facets of one place never contradict. */
type Kind = 'string' | 'object' | 'objects' | 'strings' | 'lists' | 'any';

const NAMES = new Map<string, Kind>([
  ['title', 'string'],
  ['email', 'string'],
  ['__proto__', 'string'],
  ['constructor', 'string'],
  ['toString', 'string'],
  ['x/y', 'string'],
  ['m~n', 'string'],
  ['', 'string'],
  ['person', 'object'],
  ['p/q~r', 'object'],
  ['links', 'object'],
  ['list', 'objects'],
  ['tags', 'strings'],
  ['length', 'strings'],
  ['grid', 'lists'],
  ['extra', 'any'],
]);
const UNDECLARED = [
  ...NAMES.keys(),
  'secret',
  'prototype',
  'hasOwnProperty',
  '__defineGetter__',
  'ключ',
  '0',
  'a.b',
  '$ref',
  'x-open',
];
/** Never with a scope: these may stand under "required". */
const REQUIRED = ['r0', 'r1'];

interface NamedDefinition {
  name: string;
  kind: Kind;
  /** Nothing at its top needs a scope, so that a whole payload may refer to it. */
  isPlain: boolean;
}

/** At one place a definition refers only to later ones, so that no schema contains itself there. */
const DEFINITIONS: NamedDefinition[] = [
  { name: 'someone', kind: 'object', isPlain: false },
  { name: 'we/ird~one', kind: 'object', isPlain: false },
  { name: 'thing', kind: 'object', isPlain: true },
  { name: 'tree', kind: 'object', isPlain: true },
  { name: 'text', kind: 'string', isPlain: false },
  { name: 'bag', kind: 'objects', isPlain: false },
];

const SCOPES = ['read', 'write', 'email', 'x:y', 'constructor', '__proto__', 'admin'];
const EVENT_TYPES = ['repo:push', 'constructor', 'issue:new', 'a.b-c_d'];

export type PlatformJson = Definition & Record<string, unknown>;

export function drawPlatform(draw: Draw, most = { events: 3 }): PlatformJson {
  const names = draw.few(SCOPES, 1, 6);
  const scopes = Object.fromEntries(
    names.map((name) => {
      const implies = draw.some(names, 20);
      return [name, { sentence: `May ${name}`, ...(implies.length > 0 && { implies }) }];
    }),
  );
  const schemas = new SchemaDrawing(draw, names);
  const definitions = Object.fromEntries(
    DEFINITIONS.map(({ name, kind, isPlain }, i) => [
      name,
      schemas.draw(kind, 2, { mayScope: !isPlain, floor: i }),
    ]),
  );
  // Recursion is always there: a tree of trees, and lists of them.
  definitions.tree!.properties = {
    ...(definitions.tree!.properties as object),
    person: { $ref: '#/definitions/tree', ...schemas.scope(30) },
    list: { type: 'array', items: { $ref: '#/definitions/tree', ...schemas.scope(30) } },
  };
  const definition: PlatformJson = {
    key: 'random',
    name: 'Random',
    ...(draw.maybe(75) && { contexts: { workspace: { aliases: ['account'] }, personal: {} } }),
    scopes,
    events: {},
    definitions,
    webhooks: {
      body: draw.pick(['standard', 'connect', 'payload']),
      signatures: draw.pick([['standard', 'connect', 'hub'], ['standard'], ['hub', 'connect']]),
    },
  };
  definition.events = Object.fromEntries(
    draw.few(EVENT_TYPES, 1, most.events).map((type) => {
      const payload = schemas.draw('object', 3, { mayScope: false, floor: -1 });
      return [
        type,
        {
          title: type,
          scope: draw.pick(names),
          payload,
          example: drawPayload(draw, definition, payload),
        },
      ];
    }),
  );
  return definition;
}

interface Place {
  /** Whether the value may be left out: not a whole payload, not a required property. */
  mayScope: boolean;
  /** Definitions up to this index may not be referred to from the same place. */
  floor: number;
}

class SchemaDrawing {
  readonly #draw: Draw;
  readonly #scopes: string[];

  constructor(draw: Draw, scopes: string[]) {
    this.#draw = draw;
    this.#scopes = scopes;
  }

  scope(percent: number): Schema {
    return this.#draw.maybe(percent) ? { 'x-scope': this.#draw.pick(this.#scopes) } : {};
  }

  draw(kind: Kind, depth: number, place: Place): Schema {
    const draw = this.#draw;
    const known = DEFINITIONS.filter(
      (d, i) => d.kind === kind && i > place.floor && (place.mayScope || d.isPlain),
    );
    const schema: Schema =
      known.length > 0 && draw.maybe(depth > 0 ? 25 : 10)
        ? {
            $ref: `#/definitions/${draw.pick(known).name.replaceAll('~', '~0').replaceAll('/', '~1')}`,
            ...(kind === 'object' && draw.maybe(30) && this.#object(0)),
          }
        : this.#shape(kind, depth);
    if (depth > 0 && draw.maybe(15)) {
      schema.allOf = Array.from({ length: draw.int(1, 2) }, () =>
        this.draw(kind, depth - 1, place),
      );
    }
    if (place.mayScope) Object.assign(schema, this.scope(30));
    return schema;
  }

  #shape(kind: Kind, depth: number): Schema {
    const draw = this.#draw;
    const below = (kindBelow: Kind) =>
      this.draw(kindBelow, depth - 1, { mayScope: true, floor: -1 });
    switch (kind) {
      case 'string':
        return { type: 'string' };
      case 'object':
        return this.#object(depth);
      case 'objects':
        return { type: 'array', items: below('object') };
      case 'strings':
        return { type: 'array', ...(draw.maybe(80) && { items: below('string') }) };
      case 'lists':
        return { type: 'array', items: below('strings') };
      case 'any':
        return draw.pick<() => Schema>([
          () => ({}),
          () => ({ 'x-open': true }),
          () => this.#object(0),
          () => ({ ...this.#object(0), 'x-open': true }),
        ])();
    }
  }

  #object(depth: number): Schema {
    const draw = this.#draw;
    const names = [...NAMES.keys()].filter((name) => depth > 0 || NAMES.get(name) === 'string');
    const properties = Object.fromEntries(
      draw
        .few(names, 0, 4)
        .map((name) => [
          name,
          this.draw(NAMES.get(name)!, depth - 1, { mayScope: true, floor: -1 }),
        ]),
    );
    const required = draw.some(REQUIRED, 15);
    for (const name of required) properties[name] = { type: 'string' };
    return {
      ...(depth > 0 && draw.maybe(80) && { type: 'object' }),
      properties,
      ...(required.length > 0 && { required }),
      ...(draw.maybe(12) && { 'x-open': true }),
      ...(draw.maybe(8) && { anyOf: [{ properties: { title: { type: 'string' } } }, {}] }),
    };
  }
}

const DEEPEST = 5;

/** Fits the schema, and carries undeclared fields at every level. Every leaf is unique. */
export function drawPayload(draw: Draw, definition: Definition, schema: Schema): Json {
  draw.startPayload();

  function value(kind: Kind, facets: Schema[], depth: number): Json {
    draw.countNode();
    const elements = () => facetsOf(definition, itemsOf(facets));
    const listOf = (kindBelow: Kind, most: number): Json[] =>
      Array.from({ length: depth < DEEPEST ? draw.int(0, most) : 0 }, () =>
        value(kindBelow, elements(), depth + 1),
      );
    switch (kind) {
      case 'string':
        return draw.marker();
      case 'object':
        return object(facets, depth);
      case 'objects':
        return listOf('object', 2);
      case 'strings':
        return listOf('string', 3);
      case 'lists':
        return listOf('strings', 2);
      case 'any':
        return draw.pick([
          () => draw.marker(),
          () => draw.number(),
          () => object(facets, depth),
          () => [junk(depth + 1), draw.marker()],
          () => [object(facets, depth + 1), [object(facets, depth + 1)]],
        ])();
    }
  }

  function object(facets: Schema[], depth: number): Json {
    const declared = new Set(facets.flatMap((f) => Object.keys((f.properties ?? {}) as object)));
    const required = new Set(facets.flatMap((f) => (f.required ?? []) as string[]));
    const fields: [string, Json][] = [];
    for (const name of declared) {
      const kind = NAMES.get(name) ?? 'string';
      // Ajv takes what every object inherits for the object's own: see definition.test.ts.
      const isCompulsory = required.has(name) || (name in {} && name !== '__proto__');
      if (!isCompulsory && !(depth < DEEPEST && draw.hasRoom() && draw.maybe(80))) continue;
      fields.push([name, value(kind, facetsOf(definition, propertyOf(facets, name)), depth + 1)]);
    }
    if (draw.hasRoom()) {
      const more = UNDECLARED.filter((name) => !declared.has(name));
      for (const name of draw.few(more, 0, 2)) fields.push([name, junk(depth + 1)]);
    }
    // Not an object literal: here __proto__ is a field like any other.
    return Object.fromEntries(fields);
  }

  function junk(depth: number): Json {
    draw.countNode();
    if (depth >= DEEPEST || !draw.hasRoom()) return draw.marker();
    return draw.pick<() => Json>([
      () => draw.marker(),
      () => draw.number(),
      () => Object.fromEntries(draw.few(UNDECLARED, 1, 2).map((n) => [n, junk(depth + 1)])),
      () => [junk(depth + 1), { [draw.pick(['email', 'secret'])]: junk(depth + 1) }],
    ])();
  }

  return object(facetsOf(definition, [schema]), 0);
}
