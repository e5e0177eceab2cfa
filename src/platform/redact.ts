// Leaves out of a payload what an installation may not see. An allow-list: a field that the payload
// schema does not name is left out for everybody.
import { escapePointer } from '../core/json-source.ts';
import type { FieldNode } from './payload-fields.ts';

export interface Redacted {
  payload: unknown;
  /** Fields left out for want of a scope; `*` stands for every element of a list. */
  withheld: { pointer: string; scope: string }[];
  /** Fields the schema does not name. */
  undeclared: string[];
}

/**
 * @param scopes what is granted, with everything implied.
 * @returns a new value; the payload itself is not touched.
 */
export function redact(payload: unknown, root: FieldNode, scopes: ReadonlySet<string>): Redacted {
  const withheld = new Map<string, { pointer: string; scope: string }>();
  const undeclared = new Set<string>();

  function visit(value: unknown, node: FieldNode, at: string): unknown {
    if (Array.isArray(value)) return visitList(value, node, at);
    if (typeof value === 'object' && value !== null) return visitObject(value, node, at);
    return value;
  }

  function visitList(list: unknown[], node: FieldNode, at: string): unknown[] {
    const { items, isOpen } = node;
    if (items) {
      if (list.length > 0 && isWithheld(items.scopes, `${at}/*`)) return [];
      return list.map((element) => visit(element, items.node, `${at}/*`));
    }
    // What is said of an object holds for the objects of a list in its place, where the schema lets one stand there.
    const inner = isOpen ? node : NOTHING_NAMED;
    return list.map((element) => visit(element, inner, `${at}/*`));
  }

  function visitObject(object: object, { properties, isOpen }: FieldNode, at: string): object {
    // Without a prototype, a field named __proto__ is a field like any other.
    const kept: Record<string, unknown> = Object.create(null);
    for (const [name, value] of Object.entries(object)) {
      const pointer = `${at}/${escapePointer(name)}`;
      const field = properties.get(name);
      if (!field) {
        if (isOpen) kept[name] = value;
        else undeclared.add(pointer);
      } else if (!isWithheld(field.scopes, pointer)) {
        kept[name] = visit(value, field.node, pointer);
      }
    }
    return kept;
  }

  function isWithheld(needed: string[], pointer: string): boolean {
    const missing = needed.find((scope) => !scopes.has(scope));
    if (missing === undefined) return false;
    withheld.set(pointer, { pointer, scope: missing });
    return true;
  }

  const redacted = visit(payload, root, '');
  return { payload: redacted, withheld: [...withheld.values()], undeclared: [...undeclared] };
}

/**
 * What somebody needs to see all of a payload: the same rule, asked once per event instead of once per recipient.
 * @returns the scopes; undefined if it has a field that nobody sees
 */
export function scopesToSeeAll(payload: unknown, root: FieldNode): string[] | undefined {
  const needed = new Set<string>();
  return isDeclared(payload, root, needed) ? [...needed] : undefined;
}

function isDeclared(value: unknown, node: FieldNode, needed: Set<string>): boolean {
  if (typeof value !== 'object' || value === null) return true;
  if (Array.isArray(value)) {
    const { items, isOpen } = node;
    if (items && value.length > 0) for (const scope of items.scopes) needed.add(scope);
    const inner = items ? items.node : isOpen ? node : NOTHING_NAMED;
    return value.every((element) => isDeclared(element, inner, needed));
  }
  for (const name of Object.keys(value)) {
    const field = node.properties.get(name);
    if (!field) {
      if (node.isOpen) continue;
      return false;
    }
    for (const scope of field.scopes) needed.add(scope);
    if (!isDeclared((value as Record<string, unknown>)[name], field.node, needed)) return false;
  }
  return true;
}

const NOTHING_NAMED: FieldNode = { isOpen: false, properties: new Map(), items: undefined };
