// One thread that makes attempts, from the outside: started when the first is asked for, and again when it has died.
import type { Worker } from 'node:worker_threads';
import type { Logger } from '../core/log.ts';
import type { OwedDelivery } from '../store/rows.ts';
import type { AskedAttempt, Attempted } from './attempt.ts';
import {
  type Asked,
  CLOSE,
  type Made,
  SETTLE,
  type SentEvent,
  type Told,
} from './attempt-messages.ts';
import { AttemptBroken } from './attempts.ts';
import type { FreshEvent, FreshEvents } from './fresh-events.ts';
import type { Origins } from './origins.ts';

export interface AttemptThreadParts {
  open: () => Worker;
  fresh: FreshEvents;
  origins: Origins;
  log: Logger;
  onUndeclared: (eventType: string, pointers: string[]) => void;
}

interface UnderWay {
  delivery: OwedDelivery;
  resolve: (attempted: Attempted) => void;
  reject: (error: AttemptBroken) => void;
}

export class AttemptThread {
  readonly #number: number;
  readonly #parts: AttemptThreadParts;
  readonly #underWay = new Map<number, UnderWay>();
  #asked: Asked['attempts'] = [];
  #worker: Worker | undefined;
  #lastTicket = 0;
  /** Who waits for `settled`, in turn. */
  #settling: (() => void)[] = [];

  constructor(number: number, parts: AttemptThreadParts) {
    this.#number = number;
    this.#parts = parts;
  }

  /** What is asked for in one go is sent in one message. */
  make(asked: AskedAttempt): Promise<Attempted> {
    return new Promise((resolve, reject) => {
      const ticket = ++this.#lastTicket;
      this.#underWay.set(ticket, { delivery: asked.delivery, resolve, reject });
      if (this.#asked.push({ ticket, ...asked }) === 1) queueMicrotask(() => this.#ask());
    });
  }

  /** Resolves when its gate looks at what is there now; one that has died looks at nothing. */
  settle(): Promise<void> {
    const worker = this.#worker;
    if (!worker) return Promise.resolve();
    return new Promise((resolve) => {
      this.#settling.push(resolve);
      worker.ref();
      worker.postMessage(SETTLE);
    });
  }

  async close(): Promise<void> {
    const worker = this.#worker;
    if (!worker) return;
    // Nothing else may keep the process alive until then.
    worker.ref();
    const exit = new Promise((resolve) => worker.once('exit', resolve));
    worker.postMessage(CLOSE);
    await exit;
  }

  #ask(): void {
    const attempts = this.#asked;
    this.#asked = [];
    const fresh: FreshEvent[] = [];
    for (const { delivery } of attempts) {
      const event = this.#parts.fresh.takeFor(this.#number, delivery.eventId);
      if (event) fresh.push(event);
    }
    const asked: Asked = { attempts, ...packed(fresh) };
    try {
      this.#worker ??= this.#start();
      // It keeps the process alive for as long as something is under way.
      this.#worker.ref();
      this.#worker.postMessage(asked, [asked.payloads]);
    } catch (error) {
      this.#died(this.#worker, error);
    }
  }

  #start(): Worker {
    const worker = this.#parts.open();
    worker.on('message', (told: Told) => this.#hear(told));
    worker.on('error', (error) => this.#died(worker, error));
    worker.on('exit', (code) => this.#died(worker, new Error(`It ended with code ${code}.`)));
    return worker;
  }

  #hear(told: Told): void {
    if (told.kind === 'made') for (const made of told.results) this.#made(made);
    else if (told.kind === 'settled') this.#settling.shift()?.();
    else if (told.kind === 'origin') this.#parts.origins.note(told.installationId, told.origin);
    else this.#parts.onUndeclared(told.eventType, told.pointers);
    if (this.#underWay.size === 0 && this.#settling.length === 0) this.#worker?.unref();
  }

  #made(made: Made): void {
    const underWay = this.#underWay.get(made.ticket);
    // Of a thread whose end was heard of before its last words.
    if (!underWay) return;
    const { delivery, resolve, reject } = underWay;
    this.#underWay.delete(made.ticket);
    if ('fault' in made) {
      const { message, ...known } = made.fault;
      const cause = Object.assign(new Error(message), known);
      reject(new AttemptBroken(cause, made.traceId));
    } else {
      const { record, ...rest } = made.attempted;
      resolve({ ...rest, record: { delivery, ...record } });
    }
  }

  #died(worker: Worker | undefined, error: unknown): void {
    if (this.#worker !== worker) return;
    this.#worker = undefined;
    const underWay = [...this.#underWay.values()];
    this.#underWay.clear();
    for (const settled of this.#settling.splice(0)) settled();
    if (underWay.length === 0) return;
    this.#parts.log.error(
      { err: error },
      'a thread that sends webhooks has died; starting another',
    );
    for (const { reject } of underWay) reject(new AttemptBroken(error, undefined));
  }
}

/** Payloads are copied into one piece of memory, which is handed over as it is. */
function packed(fresh: FreshEvent[]): Pick<Asked, 'events' | 'payloads'> {
  let size = 0;
  for (const { row } of fresh) size += row.payload.length;
  const bytes = new Uint8Array(size);
  let from = 0;
  const events = fresh.map(({ row: { payload, ...row }, scopesToSeeAll }): SentEvent => {
    bytes.set(payload, from);
    const sent = { row, scopesToSeeAll, from, to: from + payload.length };
    from = sent.to;
    return sent;
  });
  return { events, payloads: bytes.buffer };
}
