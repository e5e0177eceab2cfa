import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { renderToString } from 'preact-render-to-string';
import { PUBLIC_ONLY } from '../../src/core/addresses.ts';
import { validateDescriptorText } from '../../src/descriptor/validate.ts';
import { SourceFaults } from '../../src/http/pages/source-faults.tsx';
import { compilePlatform } from '../../src/platform/compile.ts';

const platform = compilePlatform(readFileSync('platforms/bitbucket.json', 'utf8'));

/** What stands on the page: the marks, and the numbers of the lines they are on. */
function shown(text: string) {
  const { faults } = validateDescriptorText(text, {
    platform,
    policy: PUBLIC_ONLY,
  });
  const html = renderToString(SourceFaults({ faults, text }));
  return {
    html,
    marks: [...html.matchAll(/<mark>(.*?)<\/mark>/g)].map(([, mark]) => mark),
    lines: [...html.matchAll(/line at"><span class="no">(\d+)/g)].map(([, line]) => Number(line)),
  };
}

describe('faults on the lines of their document', () => {
  const good = '"key": "a", "baseUrl": "https://a.example", "authentication": {"type": "jwt"}';

  it('mark the token at fault, whatever ends the lines', () => {
    for (const end of ['\n', '\r\n', '\r']) {
      const { marks, lines } = shown(['{', good, `, "scopes": ["repositry"]`, '}'].join(end));
      expect(marks).to.deep.equal(['&quot;repositry&quot;']);
      if (end !== '\r') expect(lines).to.deep.equal([3]);
    }
  });

  it('mark where the parser stopped', () => {
    const { marks, lines } = shown('{\n  "key": "a",\n}');
    expect(marks).to.deep.equal(['}']);
    expect(lines).to.deep.equal([3]);
  });

  it('mark a place at the end of a line, and of an empty document', () => {
    expect(shown('{"key": "a"').marks).to.have.length(1);
    expect(shown('').marks).to.deep.equal([' ']);
  });

  it('cut a minified document around the mark', () => {
    const filler = `"description": "${'x'.repeat(1_900)}"`;
    const { html, marks } = shown(`{${good}, ${filler}, "scopes": ["repositry"], ${filler}}`);
    expect(marks).to.include('&quot;repositry&quot;');
    expect(html.length).to.be.below(3_000);
  });

  it('show what would hide or reorder text', () => {
    const { html } = shown(`{${good}, "scopes": ["\u202e<script>"]}`);
    expect(html).not.to.match(/\u202e|<script>/);
    expect(html).to.include('\ufffd&lt;script');
  });
});
