// What an answer says of the endpoint it came from, and who is told.
import type { Clock } from '../core/clock.ts';
import type { Logger } from '../core/log.ts';
import type { LifecycleCall } from '../store/rows.ts';
import type { Attempted } from './attempt.ts';
import type { Endpoint } from './endpoint.ts';
import { type Change, fail, silence, succeed } from './health.ts';
import type { Lane } from './lane.ts';
import type { Recorder } from './recorder.ts';
import type { Unsent } from './unsent.ts';

/** What an endpoint that works says on purpose. */
const MEANT = new Set(['gone', 'aborted']);

export type Notice = (
  installationId: string,
  kind: 'webhooksPaused' | 'webhooksResumed',
) => Promise<LifecycleCall | undefined>;

export interface AnswersParts {
  clock: Clock;
  random: () => number;
  log: Logger;
  notice: Notice;
  recorder: Recorder;
  unsent: Unsent;
}

export class Answers {
  readonly #parts: AnswersParts;

  constructor(parts: AnswersParts) {
    this.#parts = parts;
  }

  /** @param endpoint undefined if it was not known where the attempt would go */
  learn(
    lane: Lane,
    endpoint: Endpoint | undefined,
    { record, silentUntil }: Attempted,
    isProbe: boolean,
  ): void {
    if (record.outcome === 'dropped') return;
    const { clock, random, recorder, unsent } = this.#parts;
    const changes: (Change | undefined)[] = [];
    const hasAnsweredWell = record.outcome === 'delivered' || MEANT.has(record.reason!);
    if (hasAnsweredWell) {
      const wasPaused = lane.state.pausedAt !== null;
      lane.hasAnswered = true;
      changes.push(succeed(lane.state));
      endpoint?.succeeded();
      if (wasPaused) this.#tell(lane, 'webhooksResumed');
    } else {
      const change = fail(lane.state, { now: clock.now(), isProbe, random: random() });
      changes.push(change);
      endpoint?.troubled(isOverload(record.status));
      if (change === 'paused') this.#tell(lane, 'webhooksPaused');
      if (change !== undefined) void unsent.endExpired(lane);
    }
    if (silentUntil !== null) changes.push(silence(lane.state, silentUntil));
    if (changes.some((change) => change !== undefined)) recorder.note(lane.state);
  }

  #tell({ installationId, state }: Lane, kind: Parameters<Notice>[1]): void {
    const { log, notice, recorder } = this.#parts;
    if (kind === 'webhooksPaused') {
      log.warn(
        { installation: installationId, failures: state.failures, since: state.failingSince },
        'webhooks are paused: no success for days; probed every hour, resumed by the first success',
      );
    } else log.info({ installation: installationId }, 'webhooks are resumed');
    void notice(installationId, kind)
      .then((call) => call && recorder.tell(call))
      .catch((error: unknown) => log.error({ err: error }, 'the add-on could not be told'));
  }
}

/** Too much was asked of it, as far as can be told. */
function isOverload(status: number | null): boolean {
  return status === null || status === 429 || status >= 500;
}
