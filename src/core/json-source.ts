// JSON that remembers where everything stands, so that a fault can name its line and column.
import { type AnyNode, parse } from '@humanwhocodes/momoa';
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
  const places = new Map<string, { line: number; column: number }>();
  const duplicates: JsonSource['duplicates'] = [];
  walk(parse(text, { mode: 'json' }).body, '', places, duplicates);
  return {
    value: JSON.parse(text),
    duplicates,
    locate(pointer) {
      for (let at = pointer; ; at = at.slice(0, at.lastIndexOf('/'))) {
        const place = places.get(at);
        if (place) return place;
        if (at === '') return { line: 1, column: 1 };
      }
    },
  };
}

export function escapePointer(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1');
}

function walk(
  node: AnyNode,
  pointer: string,
  places: Map<string, { line: number; column: number }>,
  duplicates: JsonSource['duplicates'],
): void {
  places.set(pointer, { line: node.loc.start.line, column: node.loc.start.column });
  if (node.type === 'Object') {
    const seen = new Set<string>();
    for (const member of node.members) {
      const name = member.name.type === 'String' ? member.name.value : member.name.name;
      const child = `${pointer}/${escapePointer(name)}`;
      const { line, column } = member.name.loc.start;
      if (seen.has(name)) duplicates.push({ pointer: child, name, line, column });
      seen.add(name);
      walk(member.value, child, places, duplicates);
    }
  } else if (node.type === 'Array') {
    node.elements.forEach((element, i) => {
      walk(element.value, `${pointer}/${i}`, places, duplicates);
    });
  }
}
