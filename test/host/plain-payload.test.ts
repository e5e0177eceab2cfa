// Seen red: with any object taken for plain; with undefined, NaN and toJSON passed over; with a depth more or less.
import { expect } from 'chai';
import fc from 'fast-check';
import { DEEPEST_PAYLOAD, kindOfPayload } from '../../src/host/plain-payload.ts';

/** Lists and objects in turn. */
function nested(levels: number): object {
  let value: unknown = 'leaf';
  for (let i = 0; i < levels; i++) value = i % 2 === 0 ? { inner: value } : [value];
  return value as object;
}

class Money {
  amount = 3;
}

describe('a payload', () => {
  it('is plain if it is JSON', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5 }), (value) => {
        expect(kindOfPayload({ value })).to.equal('plain');
      }),
    );
  });

  it('is never taken for plain if its JSON says something else', () => {
    const anything = fc.anything({
      withBigInt: true,
      withBoxedValues: true,
      withDate: true,
      withMap: true,
      withNullPrototype: true,
      withSparseArray: true,
      withTypedArray: true,
    });
    fc.assert(
      fc.property(anything, (value) => {
        if (kindOfPayload({ value }) !== 'plain') return;
        const asStored = JSON.parse(JSON.stringify({ value }));
        // JSON knows one zero, and nothing of prototypes.
        expect(JSON.stringify(asStored)).to.equal(JSON.stringify({ value }));
        expect(asStored).to.deep.equal(structuredClone(withOneZero({ value })));
      }),
      { numRuns: 2_000 },
    );
  });

  const others: [string, unknown][] = [
    ['a Date', new Date(0)],
    ['undefined', undefined],
    ['a function', () => 1],
    ['a symbol', Symbol('s')],
    ['NaN', Number.NaN],
    ['Infinity', Number.POSITIVE_INFINITY],
    ['an object of a class', new Money()],
    ['a Map', new Map([['a', 1]])],
    ['a Buffer', Buffer.from('a')],
    ['a list with a hole', new Array(2)],
    ['a list of a class', new (class Rows extends Array {})()],
    ['an object with a toJSON of its own', { toJSON: () => 'else' }],
    ['a list with a toJSON of its own', Object.assign([], { toJSON: () => 'else' })],
  ];
  for (const [title, value] of others) {
    it(`is of another kind with ${title} in it`, () => {
      expect(kindOfPayload({ list: [{ value }], after: 1 })).to.equal('other');
    });
  }

  it(`may be nested ${DEEPEST_PAYLOAD} levels deep`, () => {
    expect(kindOfPayload(nested(DEEPEST_PAYLOAD))).to.equal('plain');
    expect(kindOfPayload(nested(DEEPEST_PAYLOAD + 1))).to.equal('too_deep');
    expect(kindOfPayload({ at: new Date(), deep: nested(DEEPEST_PAYLOAD) })).to.equal('too_deep');
    const endless: Record<string, unknown> = {};
    endless.self = endless;
    expect(kindOfPayload(endless)).to.equal('too_deep');
  });
});

function withOneZero(value: unknown): unknown {
  if (Object.is(value, -0)) return 0;
  if (Array.isArray(value)) return value.map(withOneZero);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [name, withOneZero(inner)]),
  );
}
