import { expect } from 'chai';
import { MAX_ATTEMPTS, RETRY_CAPS_MS, retryAfterMs, retryDelayMs } from '../../src/core/backoff.ts';

const ALMOST_ONE = 1 - Number.EPSILON;
const HOUR = 3_600_000;

describe('the wait before the next attempt', () => {
  it('is at most 10 seconds after the first', () => {
    expect(retryDelayMs(1, 0)).to.equal(1_000);
    expect(retryDelayMs(1, ALMOST_ONE)).to.be.at.most(10_000);
  });

  for (const [i, cap] of RETRY_CAPS_MS.entries()) {
    it(`is between 1 second and ${cap / 1000} seconds after attempt ${i + 1}`, () => {
      for (const random of [0, 0.001, 0.5, 0.999, ALMOST_ONE]) {
        const wait = retryDelayMs(i + 1, random)!;
        expect(wait).to.be.within(1_000, cap);
        expect(Number.isInteger(wait)).to.equal(true);
      }
    });
  }

  it('never has a cap below the one before', () => {
    expect([...RETRY_CAPS_MS].sort((a, b) => a - b)).to.deep.equal(RETRY_CAPS_MS);
  });

  it('is none after the last attempt', () => {
    expect(retryDelayMs(MAX_ATTEMPTS - 1, 0.5)).to.be.a('number');
    expect(retryDelayMs(MAX_ATTEMPTS, 0.5)).to.equal(undefined);
    expect(retryDelayMs(MAX_ATTEMPTS + 1, 0.5)).to.equal(undefined);
  });

  it('adds up to at most three days', () => {
    expect(RETRY_CAPS_MS.reduce((sum, cap) => sum + cap, 0)).to.be.at.most(72 * HOUR);
  });
});

describe('Retry-After', () => {
  const now = Date.parse('2026-03-01T12:00:00Z');
  const rows: [header: string | undefined, ms: number | undefined, what: string][] = [
    ['120', 120_000, 'seconds'],
    [' 5 ', 5_000, 'seconds with spaces around them'],
    ['0', undefined, 'no wait'],
    ['-5', undefined, 'negative'],
    ['1.5', undefined, 'not whole'],
    ['99999999999', 24 * HOUR, 'more than a day'],
    ['9'.repeat(400), undefined, 'more than a number can hold'],
    ['Sun, 01 Mar 2026 12:02:00 GMT', 120_000, 'a date (IMF-fixdate)'],
    ['Sunday, 01-Mar-26 12:02:00 GMT', 120_000, 'a date (RFC 850)'],
    ['Sun, 01 Mar 2026 11:00:00 GMT', undefined, 'a date that is past'],
    ['Sun, 01 Mar 2026 12:00:00 GMT', undefined, 'now'],
    ['Fri, 01 Jan 2100 00:00:00 GMT', 24 * HOUR, 'a date far away'],
    ['soon', undefined, 'a word'],
    ['', undefined, 'empty'],
    ['5 minutes', undefined, 'words'],
    ['1e3', undefined, 'an exponent'],
    ['+30', undefined, 'a sign'],
    ['60, 120', undefined, 'two headers in one'],
    ['try again 2050', undefined, 'words that end in what could be a year'],
    ['try again 2050 GMT', undefined, 'the same with a time zone'],
    ['2026-03-01T12:02:00Z', undefined, 'a date of another standard'],
    ['Sun Mar  1 12:02:00 2026', undefined, 'a date without a time zone (asctime)'],
    [undefined, undefined, 'absent'],
  ];
  for (const [header, ms, what] of rows) {
    const said = ms === undefined ? 'nothing' : `${ms / 1000} s`;
    it(`says ${said}: ${what}`, () => {
      expect(retryAfterMs(header, now)).to.equal(ms);
    });
  }
});
