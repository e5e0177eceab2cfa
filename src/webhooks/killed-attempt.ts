// An attempt of which its thread has died: counted as one that failed, since it would kill the next thread too.
import type { Clock } from '../core/clock.ts';
import type { AskedAttempt, Attempted } from './attempt.ts';
import { decideOutcome } from './outcome.ts';

export function killedAttempt(
  { delivery, isProbe, random }: AskedAttempt,
  clock: Clock,
): Attempted {
  const number = delivery.attempts + 1;
  const now = clock.now();
  const { silentUntil, ...outcome } = decideOutcome(
    {
      kind: 'failure',
      code: 'thread_died',
      message: 'The thread that made this attempt died of it; the host’s log says how.',
      durationMs: 0,
    },
    { number, isProbe, now, expiresAt: delivery.expiresAt, random, secrets: () => [] },
  );
  return {
    record: { delivery, isProbe, number, at: now, url: '', withheld: [], ...outcome },
    bytes: 0,
    traceId: null,
    silentUntil,
    refusal: undefined,
  };
}
