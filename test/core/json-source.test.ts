import { expect } from 'chai';
import fc from 'fast-check';
import type { Fault } from '../../src/core/errors.ts';
import { escapePointer, type JsonSource, parseJson } from '../../src/core/json-source.ts';

function sound(text: string): JsonSource {
  const source = parseJson(text);
  if ('fault' in source) throw new Error(`refused: ${source.fault.message}`);
  return source;
}

function faultOf(text: string): Fault {
  const source = parseJson(text);
  if (!('fault' in source)) throw new Error(`accepted: ${text}`);
  return source.fault;
}

describe('a JSON source', () => {
  const text = [
    '{',
    '  "key": "a",',
    '  "modules": {',
    '    "webhooks": [',
    '      { "event": "*" }, { "event": "x" }',
    '    ]',
    '  },',
    '  "a/b~c": 1',
    '}',
  ].join('\n');

  const places: [pointer: string, line: number, column: number][] = [
    ['', 1, 1],
    ['/key', 2, 10],
    ['/modules', 3, 14],
    ['/modules/webhooks', 4, 17],
    ['/modules/webhooks/0', 5, 7],
    ['/modules/webhooks/1/event', 5, 36],
    ['/a~1b~0c', 8, 12],
  ];
  for (const [pointer, line, column] of places) {
    it(`knows where ${pointer || 'the whole'} begins: ${line}:${column}`, () => {
      expect(sound(text).locate(pointer)).to.deep.equal({ line, column });
      expect(sound(text.replaceAll('\n', '\r\n')).locate(pointer)).to.deep.equal({ line, column });
      expect(sound(`\ufeff${text}`).locate(pointer)).to.deep.equal({ line, column });
    });
  }

  it('answers the place of the nearest parent for what is not there', () => {
    const source = sound(text);
    expect(source.locate('/modules/webhooks/0/url')).to.deep.equal({ line: 5, column: 7 });
    expect(source.locate('/modules/webPanels/3/key')).to.deep.equal({ line: 3, column: 14 });
    expect(source.locate('/nothing')).to.deep.equal({ line: 1, column: 1 });
  });

  it('has the same value as JSON.parse', () => {
    for (const json of [text, '0', '-1.5e3', '"\\ud83d\\ude00\\n"', '[]', 'null', '\ufeff true ']) {
      expect(sound(json).value).to.deep.equal(JSON.parse(json.replace('\ufeff', '')));
    }
  });

  it('finds names that stand twice in one object, however they are written', () => {
    const { duplicates } = sound('{\n "a": 1,\n "b": {"c": 1,\n "\\u0063": 2},\n "a": 2\n}');
    expect(duplicates).to.deep.equal([
      { pointer: '/b/c', name: 'c', line: 4, column: 2 },
      { pointer: '/a', name: 'a', line: 5, column: 2 },
    ]);
  });

  it('finds no duplicates in two objects that have the same names', () => {
    expect(sound('[{"a": 1}, {"a": {"a": 1}}]').duplicates).to.deep.equal([]);
  });

  it('takes 64 levels', () => {
    expect(sound('['.repeat(64) + ']'.repeat(64)).value).to.be.an('array');
  });

  it('does not count brackets in strings', () => {
    const brackets = '[{'.repeat(200);
    expect(sound(JSON.stringify(`\\"${brackets}`)).value).to.equal(`\\"${brackets}`);
  });
});

describe('what is not JSON', () => {
  type Row = [what: string, text: string, code: string, line: number, column: number];

  const rows: Row[] = [
    ['a line comment', '{\n  // why\n  "a": 1\n}', 'json_comment', 2, 3],
    ['a block comment', '{ /* why */ "a": 1 }', 'json_comment', 1, 3],
    ['a comment after the value', '{"a": 1} // why', 'json_comment', 1, 10],
    ['a comment before the value', '// why\n{"a": 1}', 'json_comment', 1, 1],
    ['a comma before "}"', '{"a": 1,\n}', 'json_trailing_comma', 2, 1],
    ['a comma before "]"', '[1, 2,]', 'json_trailing_comma', 1, 7],
    ['two objects', '{"a": 1}\n{"b": 2}', 'json_second_value', 2, 1],
    ['two numbers', '1 2', 'json_second_value', 1, 3],
    ['an HTML page', '<!DOCTYPE html><p>Sign in</p>', 'json_html', 1, 1],
    ['an XML document', '<?xml version="1.0"?><a/>', 'json_html', 1, 1],
    ['an HTML page after a byte order mark', '\ufeff<html></html>', 'json_html', 1, 1],
    ['an HTML page after an empty line', '\n  <html></html>', 'json_html', 2, 3],
    ['nothing', '', 'json_empty', 1, 1],
    ['white space', ' \n\t', 'json_empty', 1, 1],
    ['a byte order mark alone', '\ufeff', 'json_empty', 1, 1],
    ['a template in a value, {{…}}', '{"a": {{value}}}', 'json_template', 1, 7],
    ['a template in a value, ${…}', '{"a": ${value}}', 'json_template', 1, 7],
    ['a template in a value, <%…%>', '{"a": <%= value %>}', 'json_template', 1, 7],
    ['a template in place of a name', '{ {{name}}: 1}', 'json_template', 1, 3],
    ['a template before a name', '{"a": 1, {{#if b}}"b": 2}', 'json_template', 1, 10],
    ['a template after a value', '{"a": 1 {{/if}}}', 'json_template', 1, 9],
    ['a template after the end', '{"a": 1} <% end %>', 'json_template', 1, 10],
    ['a template before the value', ' <% if a %>{}', 'json_template', 1, 2],
    ['a template in place of everything', '{{everything}}', 'json_template', 1, 1],
  ];
  for (const [what, text, code, line, column] of rows) {
    it(`is told as ${code} at ${line}:${column}: ${what}`, () => {
      const fault = faultOf(text);
      expect([fault.code, fault.line, fault.column]).to.deep.equal([code, line, column]);
      expect(fault.severity).to.equal('error');
    });
  }

  const truncated = [
    '{',
    '[',
    '{"a"',
    '{"a":',
    '{"a": 1',
    '{"a": 1,',
    '{"a": "x',
    '{"a": "x\\',
    '{"a": "x"',
    '{"a": "x",',
    '{"a": ["x"',
    '{"a": ["x",',
    '{"a": ["x"]',
    '{"a": {"b": 1}',
    '{"a": tru',
    '{"a": "\\u00',
  ];
  for (const text of truncated) {
    it(`is told as json_truncated where it ends: ${text}`, () => {
      const { code, line, column, message } = faultOf(`\n${text}`);
      expect(code).to.equal('json_truncated');
      expect(message).to.equal('The document ends before its value does.');
      expect([line, column]).to.deep.equal([2, text.length + 1]);
    });
  }

  const sentences: [text: string, line: number, column: number, message: RegExp][] = [
    ['{"a": 1\n "b": 2}', 2, 2, /^A comma is missing before this\.$/],
    ['{"a": "x"\n "b": 2}', 2, 2, /^A comma is missing before this\.$/],
    ['{"a": {}\n "b": 2}', 2, 2, /^A comma is missing before this\.$/],
    ['["a" "b"]', 1, 6, /^A comma is missing before this\.$/],
    ['[1 2]', 1, 4, /^A comma is missing before this\.$/],
    ['[{} {}]', 1, 5, /^A comma is missing before this\.$/],
    ['{"a" 1}', 1, 6, /^A colon is missing before this\.$/],
    ['{"a" "b"}', 1, 6, /^A colon is missing before this\.$/],
    ['{"a": 1, "b" {}}', 1, 14, /^A colon is missing before this\.$/],
    ['{"a": 1} }', 1, 10, /^(?!.*second value).*\./],
    ["{'a': 1}", 1, 2, /double quotes/],
    ["['a']", 1, 2, /double quotes/],
    ['{a: 1}', 1, 2, /double quotes/],
    ['{"a": [1}', 1, 9, /^(?!.*Unexpected token).*"\]"/],
  ];
  for (const [text, line, column, message] of sentences) {
    it(`is explained: ${JSON.stringify(text)}`, () => {
      const fault = faultOf(text);
      expect([fault.line, fault.column]).to.deep.equal([line, column]);
      expect(`${fault.message} ${fault.hint ?? ''}`.trim().split(' Add it.')[0]).to.match(message);
    });
  }

  const strict: [what: string, text: string][] = [
    ['NaN', '{"a": NaN}'],
    ['Infinity', '[Infinity]'],
    ['undefined', '[undefined]'],
    ['a number that begins with 0', '[01]'],
    ['a number that begins with +', '[+1]'],
    ['a hexadecimal number', '[0x1]'],
    ['an escape that is none', '["\\x"]'],
    ['single quotes', "['a']"],
    ['a no-break space between values', '[1,\u00a02]'],
    ['a raw line break in a string', '["two\nlines"]'],
    ['a raw tab in a string', '["a\tb"]'],
    ['a NUL in a string', '["\u0000"]'],
  ];
  for (const [what, text] of strict) {
    it(`is ${what}`, () => {
      expect(faultOf(text).code).to.equal('json_syntax');
    });
  }

  it('is a raw line break in a string, and its line is named', () => {
    const fault = faultOf('{\n  "key": "a",\n  "name": "two\nlines"\n}');
    expect(fault.code).to.equal('json_syntax');
    expect(fault.line).to.equal(3);
    expect(fault.message).not.to.match(/at position/);
  });

  it('is nested deeper than 64 levels, and the place is named', () => {
    const fault = faultOf(`{\n"a": ${'['.repeat(64)}${']'.repeat(64)}}`);
    expect(fault.code).to.equal('json_too_deep');
    expect([fault.line, fault.column]).to.deep.equal([2, 69]);
  });

  it('is what JSON.parse refuses as well, and nothing else, at a place that exists', () => {
    const pieces = [
      ...'{}[]:,"\\ \n\t/*-.+eE01aé😀\u00a0\u0000',
      'true',
      'null',
      '"a"',
      '\\u00e9',
      '{{',
      '1.5',
    ];
    const piecewise = fc
      .array(fc.constantFrom(...pieces), { maxLength: 12 })
      .map((p) => p.join(''));
    const changed = fc
      .tuple(fc.json(), fc.nat(), fc.nat({ max: 3 }), fc.constantFrom('', ...pieces))
      .map(([json, at, count, piece]) => {
        const start = at % (json.length + 1);
        return json.slice(0, start) + piece + json.slice(start + count);
      });
    fc.assert(
      fc.property(fc.oneof(piecewise, changed), (text) => {
        const source = parseJson(text);
        let expected: unknown;
        try {
          expected = JSON.parse(text);
        } catch {
          if (!('fault' in source)) throw new Error('accepted');
          const { line, column, message } = source.fault;
          expect(message).to.match(/^\S.*\.$/s);
          expect(column! - 1).to.be.at.most(text.split(/\r\n|[\r\n]/)[line! - 1]!.length);
          return;
        }
        if ('fault' in source) throw new Error(`refused: ${source.fault.message}`);
        expect(source.value).to.deep.equal(expected);
      }),
      { numRuns: 2_000 },
    );
  });

  it('is refused within a second, however deep and long it is', () => {
    const started = performance.now();
    expect(faultOf('['.repeat(1_000_000)).code).to.equal('json_too_deep');
    expect(faultOf('{"a":'.repeat(200_000)).code).to.equal('json_too_deep');
    expect(faultOf(`[${'"a", '.repeat(100_000)}"b" "c"]`).code).to.equal('json_syntax');
    expect(faultOf(`["${'a'.repeat(1_000_000)}`).code).to.equal('json_truncated');
    expect(performance.now() - started).to.be.below(1_000);
  });
});

describe('a JSON pointer', () => {
  it('escapes ~ and / (RFC 6901 section 3)', () => {
    expect(escapePointer('a/b~c~1')).to.equal('a~1b~0c~01');
  });
});
