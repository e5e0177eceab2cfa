// Whether a payload is JSON as it stands: then it may be judged itself, and need not be read back from what is stored.

/** As deep as the operator API reads. Deeper ones can be written, but not sent: recursion over them ends in the middle. */
export const DEEPEST_PAYLOAD = 64;

/**
 * `plain`: nothing but objects, lists, strings, finite numbers, booleans and null. `other`: something that is written
 * differently (a Date, say, or undefined).
 */
export type PayloadKind = 'plain' | 'other' | 'too_deep';

export function kindOfPayload(payload: object): PayloadKind {
  return kindOf(payload, 0);
}

function kindOf(value: unknown, depth: number): PayloadKind {
  if (depth > DEEPEST_PAYLOAD) return 'too_deep';
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return 'plain';
    case 'number':
      return Number.isFinite(value) ? 'plain' : 'other';
    case 'object':
      return value === null ? 'plain' : kindOfObject(value, depth);
    default:
      return 'other';
  }
}

function kindOfObject(value: object, depth: number): PayloadKind {
  const isList = Array.isArray(value);
  const prototype: unknown = Object.getPrototypeOf(value);
  let isPlain = prototype === (isList ? Array.prototype : Object.prototype) || prototype === null;
  isPlain &&= !('toJSON' in value);
  const inner = isList ? kindOfElements(value, depth + 1) : kindOfFields(value, depth + 1);
  return inner === 'plain' && !isPlain ? 'other' : inner;
}

/** A hole is an element: it is written as null. */
function kindOfElements(list: unknown[], depth: number): PayloadKind {
  let isPlain = true;
  for (const element of list) {
    const kind = kindOf(element, depth);
    if (kind === 'too_deep') return kind;
    isPlain &&= kind === 'plain';
  }
  return isPlain ? 'plain' : 'other';
}

/** What is inherited is looked at, too: plain objects inherit nothing that is listed here. */
function kindOfFields(object: object, depth: number): PayloadKind {
  let isPlain = true;
  for (const name in object) {
    const kind = kindOf((object as Record<string, unknown>)[name], depth);
    if (kind === 'too_deep') return kind;
    isPlain &&= kind === 'plain';
  }
  return isPlain ? 'plain' : 'other';
}
