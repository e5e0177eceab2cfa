// One thread that makes attempts, from the outside: started when the first is asked for, and again when it has died.
import type { Worker } from 'node:worker_threads';
import type { Clock } from '../core/clock.ts';
import type { Logger } from '../core/log.ts';
import type { AskedAttempt, Attempted } from './attempt.ts';
import { type Asked, CLOSE, SETTLE, type Told } from './attempt-messages.ts';
import {
  type AskedTuple,
  askedTuple,
  eventTuple,
  type MadeTuple,
  readMade,
} from './attempt-tuples.ts';
import { AttemptBroken } from './attempts.ts';
import type { FreshEvent, FreshEvents } from './fresh-events.ts';
import { killedAttempt } from './killed-attempt.ts';
import type { Origins } from './origins.ts';

export interface AttemptThreadParts {
  open: () => Worker;
  fresh: FreshEvents;
  origins: Origins;
  log: Logger;
  onUndeclared: (eventType: string, pointers: string[]) => void;
  clock: Clock;
  /** Makes one of those of which the thread may have died, where it is alone. */
  makeAlone: (asked: AskedAttempt) => Promise<Attempted>;
}

interface UnderWay {
  asked: AskedAttempt;
  resolve: (attempted: Attempted) => void;
  reject: (error: AttemptBroken) => void;
}

export class AttemptThread {
  readonly #number: number;
  readonly #parts: AttemptThreadParts;
  readonly #underWay = new Map<number, UnderWay>();
  #asked: AskedTuple[] = [];
  /** What it needs for them and has not got. */
  #fresh: FreshEvent[] = [];
  #worker: Worker | undefined;
  /** It has started: what it dies of from now on is something it was asked for. */
  #isReady = false;
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
      this.#underWay.set(ticket, { asked, resolve, reject });
      const event = this.#parts.fresh.takeFor(this.#number, asked.delivery.eventId);
      if (event) this.#fresh.push(event);
      if (this.#asked.push(askedTuple(ticket, asked)) === 1) queueMicrotask(() => this.#ask());
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
    const asked: Asked = { attempts: this.#asked, ...packed(this.#fresh) };
    this.#asked = [];
    this.#fresh = [];
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
    else if (told.kind === 'broken') this.#broken(told);
    else if (told.kind === 'ready') this.#isReady = true;
    else if (told.kind === 'settled') this.#settling.shift()?.();
    else if (told.kind === 'origin') this.#parts.origins.note(told.installationId, told.origin);
    else this.#parts.onUndeclared(told.eventType, told.pointers);
    if (this.#underWay.size === 0 && this.#settling.length === 0) this.#worker?.unref();
  }

  #made(made: MadeTuple): void {
    const underWay = this.#takeUnderWay(made[0]);
    underWay?.resolve(readMade(made, underWay.asked.delivery));
  }

  #broken({ ticket, fault: { message, ...known }, traceId }: Told & { kind: 'broken' }): void {
    const cause = Object.assign(new Error(message), known);
    this.#takeUnderWay(ticket)?.reject(new AttemptBroken(cause, traceId));
  }

  /** undefined: of a thread whose end was heard of before its last words. */
  #takeUnderWay(ticket: number): UnderWay | undefined {
    const underWay = this.#underWay.get(ticket);
    this.#underWay.delete(ticket);
    return underWay;
  }

  #died(worker: Worker | undefined, error: unknown): void {
    if (this.#worker !== worker) return;
    const wasReady = this.#isReady;
    this.#worker = undefined;
    this.#isReady = false;
    const underWay = [...this.#underWay.values()];
    this.#underWay.clear();
    for (const settled of this.#settling.splice(0)) settled();
    if (underWay.length === 0) return;
    this.#parts.log.error(
      {
        err: error,
        deliveries: underWay.slice(0, MOST_NAMED).map(({ asked }) => asked.delivery.id),
      },
      'a thread that sends webhooks has died; starting another',
    );
    if (wasReady) this.#findCulprit(underWay);
    else for (const { reject } of underWay) reject(new AttemptBroken(error, undefined));
  }

  /** One of them has killed it, perhaps, and would kill the next: alone, it shows. */
  #findCulprit(suspects: UnderWay[]): void {
    const { clock, makeAlone } = this.#parts;
    const [first, ...others] = suspects;
    if (others.length === 0) first!.resolve(killedAttempt(first!.asked, clock));
    else for (const { asked, resolve, reject } of suspects) makeAlone(asked).then(resolve, reject);
  }
}

/** Of those that were under way when a thread died. */
const MOST_NAMED = 10;

/** Payloads are copied into one piece of memory, which is handed over as it is. */
function packed(fresh: FreshEvent[]): Pick<Asked, 'events' | 'payloads'> {
  const events = fresh.map(eventTuple);
  let size = 0;
  for (const { row } of fresh) size += row.payload.length;
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const { row } of fresh) {
    bytes.set(row.payload, at);
    at += row.payload.length;
  }
  return { events, payloads: bytes.buffer };
}
