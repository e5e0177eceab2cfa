// What an answer means for a delivery: pure.
import { retryAfterMs, retryDelayMs } from '../core/backoff.ts';
import type { OutboundAnswer } from '../core/outbound.ts';
import { blackened } from '../core/seen-answer.ts';
import type { AttemptRecord } from '../store/rows.ts';

export type Outcome = Pick<
  AttemptRecord,
  'outcome' | 'status' | 'reason' | 'message' | 'responseExcerpt' | 'durationMs' | 'nextDueAt'
> & {
  /** The endpoint asked for silence until then: for all its deliveries. */
  silentUntil: number | null;
};

const EXCERPT_CHARACTERS = 1_000;

export function decideOutcome(
  answer: Exclude<OutboundAnswer, { kind: 'withheld' }>,
  attempt: {
    number: number;
    /** A failure moves nothing: the breaker says when the next goes. */
    isProbe: boolean;
    now: number;
    expiresAt: number;
    random: number;
    /** Asked where there is something to hide them in. */
    secrets: () => string[];
  },
): Outcome {
  const seen = {
    durationMs: answer.durationMs,
    status: answer.kind === 'answer' ? answer.status : null,
    responseExcerpt: answer.kind === 'answer' ? excerptOf(answer.body, attempt.secrets) : null,
    outcome: 'delivered' as Outcome['outcome'],
    reason: null,
    message: null,
    silentUntil: null,
    nextDueAt: null,
  };
  if (answer.kind === 'answer' && answer.status >= 200 && answer.status < 300) return seen;
  const { reason, message } = failureOf(answer);
  if (answer.kind === 'answer' && answer.status === 410) {
    return { ...seen, outcome: 'failed', reason, message };
  }
  if (answer.kind === 'answer' && headerOf(answer, 'webhook-delivery') === 'abort-message') {
    const aborted = `${message} It asked not to be sent this one again.`;
    return { ...seen, outcome: 'failed', reason: 'aborted', message: aborted };
  }
  const asked =
    answer.kind === 'answer'
      ? retryAfterMs(headerOf(answer, 'retry-after'), attempt.now)
      : undefined;
  const silentUntil = asked === undefined ? null : attempt.now + asked;
  if (attempt.isProbe) return { ...seen, outcome: 'retry', reason, message, silentUntil };
  const wait = retryDelayMs(attempt.number, attempt.random);
  const nextDueAt = wait === undefined ? undefined : attempt.now + Math.max(wait, asked ?? 0);
  if (nextDueAt === undefined || nextDueAt > attempt.expiresAt) {
    return {
      ...seen,
      outcome: 'failed',
      reason: 'exhausted',
      message: `${message} That was the last attempt.`,
    };
  }
  return {
    ...seen,
    outcome: 'retry',
    reason,
    message,
    nextDueAt,
    silentUntil,
  };
}

/** What an operator sees of an answer: short, and without our secrets in it. */
function excerptOf(body: Buffer, secrets: () => string[]): string {
  if (body.length === 0) return '';
  const read = body.subarray(0, 8 * EXCERPT_CHARACTERS);
  return blackened(read.toString('utf8'), secrets(), read.length < body.length).slice(
    0,
    EXCERPT_CHARACTERS,
  );
}

function failureOf(answer: Exclude<OutboundAnswer, { kind: 'withheld' }>): {
  reason: string;
  message: string;
} {
  if (answer.kind === 'failure') return { reason: answer.code, message: answer.message };
  const { status } = answer;
  if (status === 410)
    return { reason: 'gone', message: 'The add-on answered 410: it wants no more of this.' };
  if (status >= 300 && status < 400) {
    return {
      reason: 'redirect',
      message: `The add-on answered ${status}; redirects are not followed.`,
    };
  }
  return { reason: `status_${status}`, message: `The add-on answered ${status}.` };
}

function headerOf(
  answer: { headers: Record<string, string | string[] | undefined> },
  name: string,
) {
  return [answer.headers[name]].flat()[0];
}
