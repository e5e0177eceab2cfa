// Seen red: with the time left out of a span, with the delivery left out, with a span that is cut short.
import { expect } from 'chai';
import { derivedIdAt, newId } from '../../src/core/ids.ts';
import { spanOf, traceIdOf } from '../../src/core/trace.ts';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const SPAN = 'b7ad6b7169203331';

describe('a traceparent', () => {
  const valid: [why: string, header: string][] = [
    ['of version 00', `00-${TRACE}-${SPAN}-01`],
    ['that is not sampled', `00-${TRACE}-${SPAN}-00`],
    ['of a later version', `cc-${TRACE}-${SPAN}-01`],
    ['of a later version that says more', `cc-${TRACE}-${SPAN}-01-what-the-future-holds`],
  ];
  for (const [why, header] of valid) {
    it(`${why} gives its trace`, () => {
      expect(traceIdOf(header)).to.equal(TRACE);
    });
  }

  const invalid: [why: string, header: unknown][] = [
    ['that is absent', undefined],
    ['that is empty', ''],
    ['of version ff', `ff-${TRACE}-${SPAN}-01`],
    ['of version 00 that says more', `00-${TRACE}-${SPAN}-01-more`],
    ['with a trace id of zeros', `00-${'0'.repeat(32)}-${SPAN}-01`],
    ['with a parent id of zeros', `00-${TRACE}-${'0'.repeat(16)}-01`],
    ['in upper case', `00-${TRACE.toUpperCase()}-${SPAN}-01`],
    ['that is too short', `00-${TRACE.slice(1)}-${SPAN}-01`],
    ['that came twice', `00-${TRACE}-${SPAN}-01, 00-${TRACE}-${SPAN}-01`],
    ['that is no text', 7],
  ];
  for (const [why, header] of invalid) {
    it(`${why} gives none`, () => {
      expect(traceIdOf(header)).to.equal(undefined);
    });
  }
});

describe('the span of an attempt', () => {
  const NOW = 1_790_000_000_000;

  it('is sixteen hexadecimal digits, not all zero, and the same whenever it is asked for', () => {
    for (let i = 0; i < 1_000; i++) {
      const id = i % 2 === 0 ? newId(NOW + i) : derivedIdAt(NOW, 'event', `installation ${i}`);
      const span = spanOf(id, NOW + i);
      expect(span).to.match(/^[0-9a-f]{16}$/);
      expect(span).to.not.match(/^0+$/);
      expect(spanOf(id, NOW + i)).to.equal(span);
    }
  });

  it('is of one attempt of one delivery', () => {
    const ids = Array.from({ length: 100 }, (_, i) => derivedIdAt(NOW, 'event', `${i}`));
    const times = Array.from({ length: 100 }, (_, i) => NOW + i * 977);
    const spans = ids.flatMap((id) => times.map((at) => spanOf(id, at)));
    expect(new Set(spans).size).to.equal(spans.length);
  });
});
