// Seen red: with probes counted like others, with the span left out, with the pause healed by nothing.
import { expect } from 'chai';
import type { LaneState } from '../../src/store/rows.ts';
import {
  blockedUntil,
  fail,
  PAUSE_AFTER_MS,
  silence,
  succeed,
  wellLane,
} from '../../src/webhooks/health.ts';

const T = 1_000_000;
const SECOND = 1_000;

/** Fails every `ms`, the middle of every jitter. @returns what followed, without what is nothing */
function failures(state: LaneState, count: number, ms: number, from = T): (string | undefined)[] {
  return Array.from({ length: count }, (_, i) =>
    fail(state, { now: from + i * ms, isProbe: false, random: 0.5 }),
  );
}

describe('the breaker', () => {
  it('stays closed while failures are few, or come all at once', () => {
    const few = wellLane('i');
    failures(few, 9, 10 * SECOND);
    expect(few.openUntil).to.equal(null);
    const burst = wellLane('i');
    failures(burst, 100, 100);
    expect(burst.openUntil).to.equal(null);
  });

  it('opens after ten in a row that span half a minute', () => {
    const state = wellLane('i');
    expect(failures(state, 10, 4 * SECOND)).to.deep.equal([...Array(9).fill(undefined), 'opened']);
    expect(blockedUntil(state)).to.equal(T + 36 * SECOND + 30 * SECOND);
  });

  it('probes after 30 s, 1, 2, 4, 8 and then every 15 minutes, give or take a fifth', () => {
    const state = wellLane('i');
    failures(state, 10, 4 * SECOND);
    const waits = [1, 2, 3, 4, 5, 6, 7].map(() => {
      const now = state.openUntil!;
      fail(state, { now, isProbe: true, random: 0.5 });
      return (state.openUntil! - now) / SECOND;
    });
    expect(waits).to.deep.equal([60, 120, 240, 480, 900, 900, 900]);
    const now = state.openUntil!;
    fail(state, { now, isProbe: true, random: 0 });
    expect(state.openUntil! - now).to.equal(0.8 * 900 * SECOND);
  });

  it('does not go by what was under way when it opened', () => {
    const state = wellLane('i');
    failures(state, 10, 4 * SECOND);
    const { openUntil } = state;
    expect(fail(state, { now: T + 40 * SECOND, isProbe: false, random: 0.5 })).to.equal(undefined);
    expect(state.openUntil).to.equal(openUntil);
  });

  it('closes with the first success', () => {
    const state = wellLane('i');
    failures(state, 12, 4 * SECOND);
    expect(succeed(state)).to.equal('healed');
    expect(state).to.deep.equal(wellLane('i'));
    expect(succeed(state)).to.equal(undefined);
  });
});

describe('an endpoint without success for five days', () => {
  it('is paused, probed every hour, and healed by the first success', () => {
    const state = wellLane('i');
    failures(state, 10, 4 * SECOND);
    let now = T;
    let change: string | undefined;
    while (change !== 'paused') {
      now = state.openUntil!;
      change = fail(state, { now, isProbe: true, random: 0.5 });
      if (now - T < PAUSE_AFTER_MS) expect(change).to.equal('probed');
    }
    expect(state.pausedAt).to.equal(now);
    expect(state.openUntil! - now).to.equal(3_600 * SECOND);
    expect(fail(state, { now: state.openUntil!, isProbe: true, random: 0.5 })).to.equal('probed');
    expect(succeed(state)).to.equal('healed');
    expect(state.pausedAt).to.equal(null);
  });

  it('is not paused for a handful of failures, however long ago the first was', () => {
    const state = wellLane('i');
    const changes = failures(state, 18, PAUSE_AFTER_MS);
    expect(changes).not.to.include('paused');
  });
});

describe('Retry-After', () => {
  it('silences everything until then, and the later of two wins', () => {
    const state = wellLane('i');
    expect(silence(state, T + 20)).to.equal('silenced');
    expect(silence(state, T + 10)).to.equal(undefined);
    expect(blockedUntil(state)).to.equal(T + 20);
  });
});
