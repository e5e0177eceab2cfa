// JSON that remembers where everything stands, so that a fault can name its line and column.
import { type AnyNode, type DocumentNode, parse } from '@humanwhocodes/momoa';
import type { Fault } from './errors.ts';

export interface JsonSource {
  value: unknown;
  /** Where the value at a JSON pointer begins; the nearest parent's place if it is not there. */
  locate(pointer: string): { line: number; column: number };
  /** Names written twice in one object: JSON.parse silently keeps the last. */
  duplicates: { pointer: string; name: string; line: number; column: number }[];
}

/** Nesting beyond this is refused: nothing real needs it, and recursion over it would end the process. */
const DEEPEST = 64;

/**
 * Parses strict JSON (RFC 8259). A byte order mark is tolerated.
 * @returns the source, or the one fault that stopped the parser.
 */
export function parseJson(input: string): JsonSource | { fault: Fault } {
  const text = input.charCodeAt(0) === 0xfeff ? input.slice(1) : input;
  if (nesting(text) > DEEPEST) {
    return {
      fault: fault('json_too_deep', `The document is nested deeper than ${DEEPEST} levels.`),
    };
  }
  let ast: DocumentNode;
  let value: unknown;
  try {
    ast = parse(text, { mode: 'json', ranges: true });
  } catch (error) {
    return {
      fault: explainSyntax(
        text,
        error as Error & { line?: number; column?: number; offset?: number },
      ),
    };
  }
  try {
    value = JSON.parse(text);
  } catch (error) {
    return { fault: fault('json_syntax', `This is not JSON: ${(error as Error).message}.`) };
  }
  const places = new Map<string, { line: number; column: number }>();
  const duplicates: JsonSource['duplicates'] = [];
  walk(ast.body, '', places, duplicates);
  return {
    value,
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

function nesting(text: string): number {
  let depth = 0;
  let deepest = 0;
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (inString) {
      if (c === '\\') i++;
      else if (c === '"') inString = false;
    } else if (c === '"') inString = true;
    else if (c === '{' || c === '[') deepest = Math.max(deepest, ++depth);
    else if (c === '}' || c === ']') depth--;
  }
  return deepest;
}

function explainSyntax(
  text: string,
  error: Error & { line?: number; column?: number; offset?: number },
): Fault {
  const { line = 1, column = 1, offset = 0 } = error;
  const at = { line, column };
  const next = text.slice(offset, offset + 2);
  const before = text.slice(0, offset).trimEnd();
  if (text.trim() === '') return fault('json_empty', 'The document is empty.', at);
  if (offset === 0 && /^\s*</.test(text)) {
    return fault(
      'json_html',
      'This is an HTML or XML page, not JSON.',
      at,
      'Is the address right? Does it need a sign-in?',
    );
  }
  if (next === '//' || next === '/*') {
    return fault('json_comment', 'JSON has no comments.', at, 'Remove it.');
  }
  if ((next[0] === '}' || next[0] === ']') && before.endsWith(',')) {
    return fault(
      'json_trailing_comma',
      `There is a comma before "${next[0]}".`,
      at,
      'Remove the comma.',
    );
  }
  if (text.startsWith('{{', before.length) || /^\{\{|^\$\{/.test(text.slice(offset, offset + 2))) {
    return fault(
      'json_template',
      'This is a template that was never rendered.',
      at,
      'Serve the rendered descriptor.',
    );
  }
  if (isComplete(before)) {
    return fault(
      'json_second_value',
      'A second value follows the first one.',
      at,
      'Keep only one value in the document.',
    );
  }
  if (offset >= text.trimEnd().length - 1 && /end of input/.test(error.message)) {
    return fault(
      'json_truncated',
      'The document ends before its value does.',
      at,
      'Something is missing at the end: a quote, "}" or "]".',
    );
  }
  if (
    /Unexpected token (String|Number|LBrace|LBracket|Boolean|Null|True|False)/.test(
      error.message,
    ) &&
    !/[:,[{]$/.test(before)
  ) {
    const missing = /"$/.test(before) && lastIsName(before) ? 'colon' : 'comma';
    return fault(
      'json_syntax',
      `A ${missing} is missing before this.`,
      at,
      'Add it. Nothing after this place was checked.',
    );
  }
  return fault(
    'json_syntax',
    `This is not JSON: ${error.message.replace(/ \(\d+:\d+\)$/, '').replace(/\.$/, '')}.`,
    at,
    'Nothing after this place was checked.',
  );
}

function isComplete(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Whether the string that `before` ends with stands where an object expects a name. */
function lastIsName(before: string): boolean {
  const start = /"(?:[^"\\]|\\.)*"$/.exec(before)?.index ?? 0;
  return /[{,]\s*$/.test(before.slice(0, start));
}

function fault(code: string, message: string, at = { line: 1, column: 1 }, hint?: string): Fault {
  return { code, message, hint, pointer: '', ...at, severity: 'error' };
}
