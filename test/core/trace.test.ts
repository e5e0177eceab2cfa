import { expect } from 'chai';
import { traceIdOf } from '../../src/core/trace.ts';

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
