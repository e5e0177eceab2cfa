// JSON that remembers where everything stands, so that a fault can name its line and column.
import { type AnyNode, type MemberNode, parse } from '@humanwhocodes/momoa';
import type { Fault } from './errors.ts';
import { syntaxFault } from './json-syntax.ts';

export interface JsonSource {
  value: unknown;
  /** Where the value at a JSON pointer begins; the nearest parent's place if it is not there. */
  locate(pointer: string): { line: number; column: number };
  /** Names written twice in one object: JSON.parse silently keeps the last. */
  duplicates: { pointer: string; name: string; line: number; column: number }[];
}

/**
 * Parses strict JSON (RFC 8259). A byte order mark is tolerated.
 * @returns the source, or the one fault that stopped the parser.
 */
export function parseJson(input: string): JsonSource | { fault: Fault } {
  const text = input.charCodeAt(0) === 0xfeff ? input.slice(1) : input;
  const fault = syntaxFault(text);
  if (fault) return { fault };
  const { body } = parse(text, { mode: 'json' });
  const duplicates: JsonSource['duplicates'] = [];
  findDuplicates(body, [], duplicates);
  return { value: JSON.parse(text), duplicates, locate: (pointer) => locate(body, pointer) };
}

export function escapePointer(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1');
}

/** Walked when asked: pointers to everything would be larger than the document by far. */
function locate(body: AnyNode, pointer: string): { line: number; column: number } {
  let node = body;
  for (const step of pointer.split('/').slice(1)) {
    const name = step.replaceAll('~1', '/').replaceAll('~0', '~');
    const child = childOf(node, name);
    if (!child) break;
    node = child;
  }
  return { line: node.loc.start.line, column: node.loc.start.column };
}

/** Of a name that stands twice, the last: that is what JSON.parse keeps. */
function childOf(node: AnyNode, name: string): AnyNode | undefined {
  if (node.type === 'Object')
    return node.members.findLast((member) => nameOf(member) === name)?.value;
  if (node.type === 'Array')
    return /^\d+$/.test(name) ? node.elements[Number(name)]?.value : undefined;
  return undefined;
}

function nameOf({ name }: MemberNode): string {
  return name.type === 'String' ? name.value : name.name;
}

function findDuplicates(node: AnyNode, path: string[], duplicates: JsonSource['duplicates']): void {
  if (node.type === 'Object') {
    const seen = new Set<string>();
    for (const member of node.members) {
      const name = nameOf(member);
      path.push(escapePointer(name));
      if (seen.has(name)) {
        const { line, column } = member.name.loc.start;
        duplicates.push({ pointer: `/${path.join('/')}`, name, line, column });
      }
      seen.add(name);
      findDuplicates(member.value, path, duplicates);
      path.pop();
    }
  } else if (node.type === 'Array') {
    node.elements.forEach((element, i) => {
      path.push(String(i));
      findDuplicates(element.value, path, duplicates);
      path.pop();
    });
  }
}
