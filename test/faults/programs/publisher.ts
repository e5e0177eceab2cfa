// Publishes without end, over HTTP, to a host that comes and goes. An event is in the file, fsynced, as soon as its id
// was answered; until then the same event is sent again under the same idempotency key.
import { fsyncSync, openSync, writeSync } from 'node:fs';
import { answerQuestions } from './answer-questions.ts';

export interface StartPublisher {
  ask: 'start';
  /** Of replicas; each try is at the next, so a key is asked for at several. */
  urls: string[];
  operatorToken: string;
  file: string;
  /** What is published in turn. */
  kinds: { type: string; context: string; resource?: string }[];
  /** Publishers at work at once. */
  writers: number;
  /** Each waits this long between two events. */
  pauseMs: number;
  /** Numbers of events begin here. */
  from?: number;
}

const ANSWER_MS = 2_000;

let isStopping = false;
let counter = 0;
let writers: Promise<void>[] = [];
const counts = { published: 0, repeated: 0, failures: 0 };

answerQuestions(async (question) => {
  if (question.ask === 'start') start(question as unknown as StartPublisher);
  if (question.ask === 'stop') {
    isStopping = true;
    await Promise.all(writers);
  }
  return counts;
});

function start(options: StartPublisher): void {
  const file = openSync(options.file, 'a');
  counter = options.from ?? 0;
  writers = Array.from({ length: options.writers }, () => write(options, file));
}

async function write(options: StartPublisher, file: number): Promise<void> {
  while (!isStopping) {
    const n = counter++;
    const kind = options.kinds[n % options.kinds.length]!;
    const idempotencyKey = `${process.pid}-${n}`;
    const body = JSON.stringify({ ...kind, payload: { n }, idempotencyKey });
    const begun = Date.now();
    const id = await untilAnswered(options, body, n);
    // Asked again, now and then: the same key must give the same id, whatever died in between.
    const again = n % 10 === 0 ? await untilAnswered(options, body, n + 1) : undefined;
    const line = { n, id, again, ...kind, begun, at: Date.now() };
    writeSync(file, `${JSON.stringify(line)}\n`);
    fsyncSync(file);
    counts.published++;
    await new Promise((resolve) => setTimeout(resolve, options.pauseMs));
  }
}

async function untilAnswered(
  { urls, operatorToken }: StartPublisher,
  body: string,
  first: number,
): Promise<string> {
  for (let i = first; ; i++) {
    try {
      const response = await fetch(`${urls[i % urls.length]}/operator/v1/events`, {
        method: 'POST',
        // A replica that stands still is not waited for where there are others.
        signal: urls.length > 1 ? AbortSignal.timeout(ANSWER_MS) : null,
        headers: {
          authorization: `Bearer ${operatorToken}`,
          'content-type': 'application/json',
        },
        body,
      });
      const answer = (await response.json()) as { id?: string };
      if (response.status === 202 && answer.id) return answer.id;
      counts.failures++;
    } catch {
      counts.repeated++;
    }
    await new Promise((resolve) => setTimeout(resolve, 5 + Math.random() * 10));
  }
}
