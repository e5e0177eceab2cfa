// How an installation's endpoint fares, and what follows: pure. A breaker opens after a run of failures and lets single
// probes through, which use up no attempts; after days without success the endpoint counts as paused and is probed
// rarely. The first success heals everything. Nothing is ever deleted.
import type { LaneState } from '../store/rows.ts';

/** A breaker opens after this many failures in a row … */
const OPENING_FAILURES = 10;
/** … that span at least this. */
const OPENING_SPAN_MS = 30_000;
const FIRST_PROBE_MS = 30_000;
const LONGEST_PROBE_MS = 15 * 60_000;
const PAUSED_PROBE_MS = 3_600_000;
/** Paused after this long without one success … */
export const PAUSE_AFTER_MS = 5 * 24 * 3_600_000;
/** … and at least this many failures. */
const PAUSE_FAILURES = 20;

export type Change = 'opened' | 'paused' | 'healed' | 'probed' | 'silenced';

export function wellLane(installationId: string): LaneState {
  return {
    installationId,
    failures: 0,
    failingSince: null,
    probes: 0,
    openUntil: null,
    silentUntil: null,
    pausedAt: null,
  };
}

export function isWell({ failures, silentUntil }: LaneState): boolean {
  return failures === 0 && silentUntil === null;
}

/** @returns what is worth keeping or telling about it; undefined if nothing changed for others to see */
export function succeed(state: LaneState): Change | undefined {
  const wasKept = state.openUntil !== null || state.pausedAt !== null || state.silentUntil !== null;
  Object.assign(state, wellLane(state.installationId));
  return wasKept ? 'healed' : undefined;
}

/** @param random [0, 1): probes of endpoints that failed together do not come together. */
export function fail(
  state: LaneState,
  { now, isProbe, random }: { now: number; isProbe: boolean; random: number },
): Change | undefined {
  state.failures++;
  state.failingSince ??= now;
  if (state.openUntil === null) {
    if (state.failures < OPENING_FAILURES || now - state.failingSince < OPENING_SPAN_MS)
      return undefined;
    state.openUntil = now + probeWait(0, random);
    return 'opened';
  }
  // One that was under way when it opened says nothing new.
  if (!isProbe) return undefined;
  state.probes++;
  if (
    state.pausedAt === null &&
    now - state.failingSince >= PAUSE_AFTER_MS &&
    state.failures >= PAUSE_FAILURES
  ) {
    state.pausedAt = now;
    state.openUntil = now + jittered(PAUSED_PROBE_MS, random);
    return 'paused';
  }
  const wait =
    state.pausedAt === null ? probeWait(state.probes, random) : jittered(PAUSED_PROBE_MS, random);
  state.openUntil = now + wait;
  return 'probed';
}

/** Retry-After: for everything that goes there. */
export function silence(state: LaneState, until: number): Change | undefined {
  if (state.silentUntil !== null && state.silentUntil >= until) return undefined;
  state.silentUntil = until;
  return 'silenced';
}

/** When the next may go there at all; undefined: at once. */
export function blockedUntil({ openUntil, silentUntil }: LaneState): number | undefined {
  if (openUntil === null) return silentUntil ?? undefined;
  return silentUntil === null ? openUntil : Math.max(openUntil, silentUntil);
}

/** 30 s, 1, 2, 4, 8, 15 minutes. */
function probeWait(probes: number, random: number): number {
  return jittered(Math.min(FIRST_PROBE_MS * 2 ** Math.min(probes, 10), LONGEST_PROBE_MS), random);
}

/** ±20 %. */
function jittered(ms: number, random: number): number {
  return Math.round(ms * (0.8 + 0.4 * random));
}
