// One thread that makes attempts, from the inside.
import type { MessagePort } from 'node:worker_threads';
import type { EventRow } from '../store/rows.ts';
import { type Asked, CLOSE, type Made, type SentEvent, type Told } from './attempt-messages.ts';
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
      tell({ ticket, fault: asClonable(cause), traceId });
    }
  }

  async function serve({ attempts: asked, events, payloads }: Asked): Promise<void> {
    for (const event of events) attempts.remember(eventIn(payloads, event), event.scopesToSeeAll);
    // Where that fails, each reads its own, and says what is wrong.
    await attempts.prefetch(asked.map(({ delivery }) => delivery)).catch(() => undefined);
    for (const each of asked) void make(each);
  }

  port.on('message', (message: Asked | typeof CLOSE) => {
    if (message !== CLOSE) void serve(message);
    else void close().finally(() => port.close());
  });
}

function eventIn(payloads: ArrayBuffer, { row, from, to }: SentEvent): EventRow {
  return { ...row, payload: Buffer.from(payloads, from, to - from) };
}

/** What structured clone keeps of an error besides its class: message and stack, but not a MortiseError's fields. */
function asClonable(cause: unknown): Error {
  const { message, stack } = cause as Error;
  return Object.assign(new Error(message), { stack });
}
