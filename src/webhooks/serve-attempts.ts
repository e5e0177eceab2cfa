// One thread that makes attempts, from the inside.
import type { MessagePort } from 'node:worker_threads';
import type { EventRow } from '../store/rows.ts';
import {
  type Asked,
  CLOSE,
  type Fault,
  type Made,
  SETTLE,
  type SentEvent,
  type Told,
} from './attempt-messages.ts';
import type { AttemptBroken, Attempts } from './attempts.ts';

/** Answers until it is told to end. */
export function serveAttempts(
  port: MessagePort,
  attempts: Attempts,
  close: () => Promise<void>,
): void {
  let made: Made[] = [];

  /** Once per turn of the event loop, with all answers that came in it. */
  function tell(result: Made): void {
    if (made.push(result) > 1) return;
    setImmediate(() => {
      const results = made;
      made = [];
      port.postMessage({ kind: 'made', results } satisfies Told);
    });
  }

  async function make({ ticket, delivery, isProbe, random }: Asked['attempts'][0]): Promise<void> {
    try {
      const { record, ...rest } = await attempts.make(delivery, isProbe, random);
      const { delivery: _known, ...told } = record;
      tell({ ticket, attempted: { ...rest, record: told } });
    } catch (error) {
      const { cause, traceId } = error as AttemptBroken;
      tell({ ticket, fault: faultOf(cause), traceId });
    }
  }

  async function serve({ attempts: asked, events, payloads }: Asked): Promise<void> {
    for (const event of events) attempts.remember(eventIn(payloads, event), event.scopesToSeeAll);
    // Where that fails, each reads its own, and says what is wrong.
    await attempts.prefetch(asked.map(({ delivery }) => delivery)).catch(() => undefined);
    for (const each of asked) void make(each);
  }

  /** What was looked at before has been acted on, and the gate's moment ends with this turn (sqlite/gate.ts). */
  function settle(): void {
    setImmediate(() => port.postMessage({ kind: 'settled' } satisfies Told));
  }

  port.on('message', (message: Asked | typeof SETTLE | typeof CLOSE) => {
    if (message === SETTLE) settle();
    else if (message === CLOSE) void close().finally(() => port.close());
    else void serve(message);
  });
}

function eventIn(payloads: ArrayBuffer, { row, from, to }: SentEvent): EventRow {
  return { ...row, payload: Buffer.from(payloads, from, to - from) };
}

function faultOf(cause: unknown): Fault {
  const { message, stack, code, hint } = cause as Error & { code?: unknown; hint?: unknown };
  return { message, stack, code, hint };
}
