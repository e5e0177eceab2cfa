// One thread that makes attempts, from the inside.
import type { MessagePort } from 'node:worker_threads';
import { type Asked, CLOSE, type Fault, SETTLE, type Told } from './attempt-messages.ts';
import { type MadeTuple, madeTuple, readAsked, readEvent } from './attempt-tuples.ts';
import type { AttemptBroken, Attempts } from './attempts.ts';

/**
 * So many begin before answers to others are read: of more, what each works with is out of the processor's caches before it
 * is done with, and whoever receives them waits meanwhile.
 */
const BEGUN_AT_ONCE = 12;

/** Answers until it is told to end. */
export function serveAttempts(
  port: MessagePort,
  attempts: Attempts,
  close: () => Promise<void>,
): void {
  const tell = (told: Told) => port.postMessage(told);
  let made: MadeTuple[] = [];
  const asked: ReturnType<typeof readAsked>[] = [];
  let isBeginning = false;

  /** Once per turn of the event loop, with all answers that came in it. */
  function tellMade(result: MadeTuple): void {
    if (made.push(result) > 1) return;
    setImmediate(() => {
      const results = made;
      made = [];
      tell({ kind: 'made', results });
    });
  }

  async function make({ ticket, delivery, isProbe, random }: ReturnType<typeof readAsked>) {
    try {
      tellMade(madeTuple(ticket, await attempts.make(delivery, isProbe, random)));
    } catch (error) {
      const { cause, traceId } = error as AttemptBroken;
      tell({ kind: 'broken', ticket, fault: faultOf(cause), traceId });
    }
  }

  function begin(): void {
    for (const each of asked.splice(0, BEGUN_AT_ONCE)) void make(each);
    isBeginning = asked.length > 0;
    if (isBeginning) setImmediate(begin);
  }

  async function serve({ attempts: tuples, events, payloads }: Asked): Promise<void> {
    let from = 0;
    for (const event of events) {
      const [bytes, scopesToSeeAll, isForOne] = event;
      const row = readEvent(event, Buffer.from(payloads, from, bytes));
      attempts.remember(row, scopesToSeeAll);
      if (isForOne) attempts.tellsOne(row.id);
      from += bytes;
    }
    const more = tuples.map(readAsked);
    // Where that fails, each reads its own, and says what is wrong.
    await attempts.prefetch(more.map(({ delivery }) => delivery)).catch(() => undefined);
    asked.push(...more);
    if (!isBeginning) begin();
  }

  /** What was looked at before has been acted on, and the gate's moment ends with this turn (sqlite/gate.ts). */
  function settle(): void {
    setImmediate(() => tell({ kind: 'settled' }));
  }

  tell({ kind: 'ready' });
  port.on('message', (message: Asked | typeof SETTLE | typeof CLOSE) => {
    if (message === SETTLE) settle();
    else if (message === CLOSE) void close().finally(() => port.close());
    else void serve(message);
  });
}

function faultOf(cause: unknown): Fault {
  const { message, stack, code, hint } = cause as Error & { code?: unknown; hint?: unknown };
  return { message, stack, code, hint };
}
