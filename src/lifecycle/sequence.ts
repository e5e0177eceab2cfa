// Makes the calls that are owed, one at a time and in order per installation: an earlier one that fails
// is tried again before the next is made. Runs in the process that leads.
import { MAX_ATTEMPTS, retryDelayMs } from '../core/backoff.ts';
import type { Clock } from '../core/clock.ts';
import { newId } from '../core/ids.ts';
import { InTurn, SOON_MS } from '../core/in-turn.ts';
import type { Logger } from '../core/log.ts';
import type { LifecycleStore } from '../store/lifecycle-store.ts';
import type { LifecycleCall } from '../store/rows.ts';
import type { LifecycleResult } from './call.ts';

/** Longer than a call may take, so that a hold outlives it only when its process has died. */
const HOLD_MS = 45_000;

export interface SequenceParts {
  store: LifecycleStore;
  clock: Clock;
  log: Logger;
  random: () => number;
  /** Builds, signs and sends one call; undefined if the add-on no longer declares an address for it. */
  make: (call: LifecycleCall) => Promise<LifecycleResult | undefined>;
}

export function lifecycleSequence(parts: SequenceParts): InTurn<LifecycleCall> {
  const { store, clock, log } = parts;
  return new InTurn({
    name: 'lifecycle calls',
    clock,
    log,
    due: (now, limit) => store.due(now, limit),
    nextDueAt: () => store.nextDueAt(),
    lineOf: (call) => call.installationId,
    work: (call) => makeHeld(call, parts),
  });
}

async function makeHeld(call: LifecycleCall, parts: SequenceParts): Promise<number> {
  const { store, clock } = parts;
  const holder = newId();
  const now = clock.now();
  // Otherwise an install handshake is under way.
  if (!(await store.hold(call.installationId, holder, now, now + HOLD_MS))) return SOON_MS;
  try {
    if (await store.findOwed(call.id)) await makeAndRecord(call, parts);
  } finally {
    await store.release(call.installationId, holder);
  }
  return 0;
}

async function makeAndRecord(call: LifecycleCall, parts: SequenceParts): Promise<void> {
  const { store, clock, random, make } = parts;
  const result = await make(call);
  if (!result) {
    await store.drop(call.id);
    return;
  }
  const attempt = call.attempts + 1;
  const wait = retryDelayMs(attempt, random());
  if (result.isAccepted || result.exchange.status === 410) {
    await store.record(call.id, { state: 'done' }, result.exchange);
  } else if (attempt >= MAX_ATTEMPTS || wait === undefined) {
    await store.record(call.id, { state: 'failed' }, result.exchange);
  } else {
    await store.record(call.id, { state: 'owed', dueAt: clock.now() + wait }, result.exchange);
  }
}
