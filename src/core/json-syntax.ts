// The first thing wrong with a text as JSON: where it stands, in words for whoever wrote it. Parsers say
// "unexpected token", and some name no line.
import type { Fault } from './errors.ts';

/** Nesting beyond this is refused: nothing real needs it, and recursion over it would end the process. */
const DEEPEST = 64;

/** Where a text stops being JSON, and what had to stand there. */
interface Stop {
  offset: number;
  expected: 'value' | 'name' | 'colon' | 'comma' | 'less depth' | 'escape' | 'end of string';
  /** What closes the innermost object or list; undefined outside of all. */
  close: string | undefined;
}

const WHITE_SPACE = /[ \t\r\n]*/y;
/** All from U+0020 on but the quote and the backslash. */
const PLAIN_CHARACTERS = /[ !#-[\]-\uffff]*/y;
const ESCAPE = /(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))?/y;
const WORD = /[\w.+-]*/y;
const VALUE_WORD = /^(?:true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)$/;

/** @returns what keeps the text from being strict JSON (RFC 8259), or undefined. */
export function syntaxFault(text: string): Fault | undefined {
  const stop = scan(text);
  if (stop === undefined) return undefined;
  const [code, message, hint, offset = stop.offset] = explain(text, stop);
  const lines = text.slice(0, offset).split(/\r\n|[\r\n]/);
  const place = { line: lines.length, column: lines.at(-1)!.length + 1 };
  return { code, message, hint, pointer: '', ...place, severity: 'error' };
}

function scan(text: string): Stop | undefined {
  const open: string[] = [];
  let expected: 'value' | 'name' | 'colon' | 'comma' = 'value';
  let mayClose = false;
  let at = 0;
  for (;;) {
    at = skip(WHITE_SPACE, text, at);
    const c = text[at];
    const close = open.at(-1);
    if (c === undefined && expected === 'comma' && close === undefined) return undefined;
    if (c === '"' && (expected === 'value' || expected === 'name')) {
      at = endOfString(text, at + 1);
      if (text[at] === '\\') return { offset: at, expected: 'escape', close };
      if (text[at] !== '"') return { offset: at, expected: 'end of string', close };
      mayClose = expected === 'value';
      expected = expected === 'value' ? 'comma' : 'colon';
      at++;
    } else if (expected === 'value' && VALUE_WORD.test(wordAt(text, at))) {
      expected = 'comma';
      mayClose = true;
      at = skip(WORD, text, at);
    } else if (expected === 'value' && (c === '{' || c === '[')) {
      if (open.push(c === '{' ? '}' : ']') > DEEPEST)
        return { offset: at, expected: 'less depth', close };
      expected = c === '{' ? 'name' : 'value';
      mayClose = true;
      at++;
    } else if (expected === 'colon' && c === ':') {
      expected = 'value';
      at++;
    } else if (expected === 'comma' && c === ',' && close !== undefined) {
      expected = close === '}' ? 'name' : 'value';
      mayClose = false;
      at++;
    } else if (mayClose && c !== undefined && c === close) {
      open.pop();
      expected = 'comma';
      at++;
    } else return { offset: at, expected, close };
  }
}

/** @returns where the closing quote is, or what may not stand in a string, or the end of the text. */
function endOfString(text: string, start: number): number {
  for (let at = start; ; ) {
    const next = skip(ESCAPE, text, skip(PLAIN_CHARACTERS, text, at));
    if (next === at) return isCutEscape(text, at) ? text.length : at;
    at = next;
  }
}

function isCutEscape(text: string, at: number): boolean {
  return /^\\(?:u[0-9a-fA-F]{0,3})?$/.test(text.slice(at, at + 6));
}

function skip(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at;
  pattern.test(text);
  return pattern.lastIndex;
}

function wordAt(text: string, at: number): string {
  return text.slice(at, skip(WORD, text, at));
}

/** `offset` where it is not the place at which the text stopped being JSON. */
type Explanation = [code: string, message: string, hint?: string, offset?: number];

const TEMPLATES = new Set(['{{', '${', '<%']);

function explain(text: string, stop: Stop): Explanation {
  const { offset, expected, close } = stop;
  const before = text.slice(0, offset).trimEnd();
  const c = text[offset];
  const isOver = expected === 'comma' && close === undefined;
  if (text.trim() === '') return ['json_empty', 'The document is empty.', undefined, 0];
  // The last word of what is open may be cut off.
  const end = close === undefined ? offset : skip(WORD, text, offset);
  if (!isOver && text.slice(end).trim() === '') {
    return [
      'json_truncated',
      'The document ends before its value does.',
      'Something is missing at the end: a quote, "}" or "]".',
      text.trimEnd().length,
    ];
  }
  // The first brace of a template begins an object: what stops the scan is the second.
  const template = [offset - 1, offset].find((at) => TEMPLATES.has(text.slice(at, at + 2)));
  if (template !== undefined) {
    return [
      'json_template',
      'This is a template that was never rendered.',
      'Serve the rendered descriptor.',
      template,
    ];
  }
  if (c === '<' && before === '') {
    return [
      'json_html',
      'This is an HTML or XML page, not JSON.',
      'Is the address right? Does it need a sign-in?',
    ];
  }
  if (c === '/' && /[/*]/.test(text[offset + 1] ?? ''))
    return ['json_comment', 'JSON has no comments.', 'Remove it.'];
  if ((c === '}' || c === ']') && before.endsWith(','))
    return ['json_trailing_comma', `There is a comma before "${c}".`, 'Remove the comma.'];
  if (isOver && beginsValue(text, offset)) {
    return [
      'json_second_value',
      'A second value follows the first one.',
      'Keep only one value in the document.',
    ];
  }
  if (expected === 'less depth')
    return ['json_too_deep', `The document is nested deeper than ${DEEPEST} levels.`];
  return ['json_syntax', ...sentence(text, stop)];
}

const ADD_IT = 'Add it. Nothing after this place was checked.';
const CORRECT_IT = 'Correct it. Nothing after this place was checked.';

function sentence(
  text: string,
  { offset, expected, close }: Stop,
): [message: string, hint: string] {
  const c = text[offset]!;
  const found = shown(wordAt(text, offset) || String.fromCodePoint(text.codePointAt(offset)!));
  switch (expected) {
    case 'escape':
      return [`"${text.slice(offset, offset + 2)}" is no escape.`, 'Write a backslash as "\\\\".'];
    case 'end of string':
      return [
        `A string cannot hold ${found} as it is.`,
        `Write ${JSON.stringify(c)}, or add the quote that is missing before it.`,
      ];
    case 'value':
      return [
        `A value must stand here, not ${found}.`,
        'Values are strings in double quotes, numbers such as -1.5, true, false, null, lists and objects.',
      ];
    case 'name':
      return [`A name in double quotes must stand here, not ${found}.`, CORRECT_IT];
    case 'colon':
      return ['A colon is missing before this.', ADD_IT];
    default:
      if (close === undefined) return [`${found} stands after the end of the value.`, 'Remove it.'];
      if (beginsValue(text, offset)) return ['A comma is missing before this.', ADD_IT];
      if (c === '}' || c === ']') return [`"${close}" is missing before this.`, ADD_IT];
      return [`A comma or "${close}" must stand here, not ${found}.`, CORRECT_IT];
  }
}

function beginsValue(text: string, at: number): boolean {
  return /["{[]/.test(text[at]!) || VALUE_WORD.test(wordAt(text, at));
}

/** What was found as a person sees it: what cannot be seen has a name. */
function shown(found: string): string {
  if (found === '\n' || found === '\r') return 'a line break';
  if (found === '\t') return 'a tab';
  if (/^[\p{L}\p{M}\p{N}\p{P}\p{S}]+$/u.test(found)) return `"${found.slice(0, 40)}"`;
  return `U+${found.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}`;
}
