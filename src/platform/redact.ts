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

/** Instead of a field that is left out. */
const LEFT_OUT = Symbol('left out');

/**
 * @param payload JSON, as read.
 * @param scopes what is granted, with everything implied.
 * @returns a new value where something is left out, the same where nothing is; the payload itself is not touched.
 */
export function redact(payload: unknown, root: FieldNode, scopes: ReadonlySet<string>): Redacted {
  const withheld = new Map<string, { pointer: string; scope: string }>();
  const undeclared = new Set<string>();
  /** Where it looks. A pointer is made only of what is left out. */
  const path: string[] = [];

  function visit(value: unknown, node: FieldNode): unknown {
    if (typeof value !== 'object' || value === null) return value;
    return Array.isArray(value) ? visitList(value, node) : visitObject(value, node);
  }

  function visitList(list: unknown[], node: FieldNode): unknown[] {
    if (list.length === 0) return list;
    path.push('*');
    const isEmptied = node.items && isWithheld(node.items.scopes);
    const kept = isEmptied ? [] : visitElements(list, nodeOfElements(node));
    path.pop();
    return kept;
  }

  function visitElements(list: unknown[], node: FieldNode): unknown[] {
    const kept = list.map((element) => visit(element, node));
    return kept.every((element, i) => element === list[i]) ? list : kept;
  }

  function visitObject(object: object, node: FieldNode): object {
    const fields = object as Record<string, unknown>;
    const names = Object.keys(fields);
    let kept: Record<string, unknown> | undefined;
    for (const [i, name] of names.entries()) {
      const value = fields[name];
      path.push(name);
      const seen = visitField(name, value, node);
      path.pop();
      if (seen !== value) kept ??= someOf(fields, names.slice(0, i));
      if (kept && seen !== LEFT_OUT) setField(kept, name, seen);
    }
    return kept ?? object;
  }

  function visitField(name: string, value: unknown, { properties, isOpen }: FieldNode): unknown {
    const field = properties.get(name);
    if (field) return isWithheld(field.scopes) ? LEFT_OUT : visit(value, field.node);
    if (isOpen) return value;
    undeclared.add(pointerTo(path));
    return LEFT_OUT;
  }

  function isWithheld(needed: string[]): boolean {
    const missing = needed.find((scope) => !scopes.has(scope));
    if (missing === undefined) return false;
    const pointer = pointerTo(path);
    withheld.set(pointer, { pointer, scope: missing });
    return true;
  }

  const redacted = visit(payload, root);
  return { payload: redacted, withheld: [...withheld.values()], undeclared: [...undeclared] };
}

function someOf(fields: Record<string, unknown>, names: string[]): Record<string, unknown> {
  const some = {};
  for (const name of names) setField(some, name, fields[name]);
  return some;
}

/** A field named __proto__ is a field like any other. */
function setField(fields: Record<string, unknown>, name: string, value: unknown): void {
  if (name !== '__proto__') fields[name] = value;
  else Object.defineProperty(fields, name, { value, enumerable: true });
}

function pointerTo(path: string[]): string {
  return path.map((name) => `/${escapePointer(name)}`).join('');
}

/**
 * What somebody needs to see all of a payload: the same rule, asked once per event instead of once per recipient.
 * @returns the scopes; undefined if it has a field that nobody sees
 */
export function scopesToSeeAll(payload: unknown, root: FieldNode): string[] | undefined {
  const needed: string[] = [];
  return isDeclared(payload, root, needed) ? needed : undefined;
}

function isDeclared(value: unknown, node: FieldNode, needed: string[]): boolean {
  if (typeof value !== 'object' || value === null) return true;
  if (Array.isArray(value)) {
    if (node.items && value.length > 0) addTo(needed, node.items.scopes);
    const inner = nodeOfElements(node);
    for (const element of value) if (!isDeclared(element, inner, needed)) return false;
    return true;
  }
  for (const name in value) {
    const field = node.properties.get(name);
    if (!field) {
      if (node.isOpen) continue;
      return false;
    }
    addTo(needed, field.scopes);
    if (!isDeclared((value as Record<string, unknown>)[name], field.node, needed)) return false;
  }
  return true;
}

function addTo(needed: string[], scopes: string[]): void {
  for (const scope of scopes) if (!needed.includes(scope)) needed.push(scope);
}

/** What is said of an object holds for the objects of a list in its place, where the schema lets one stand there. */
function nodeOfElements(node: FieldNode): FieldNode {
  if (node.items) return node.items.node;
  return node.isOpen ? node : NOTHING_NAMED;
}

const NOTHING_NAMED: FieldNode = { isOpen: false, properties: new Map(), items: undefined };
