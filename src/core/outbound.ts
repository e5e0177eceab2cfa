// The only way out: every request the host makes to an address somebody else chose. Public addresses
// only, the vetted address is the one connected to, no redirects, bounded in time and size, nothing
// decompressed. Failures are answers too, so that "refused", "timed out" and "500" are equals.
import dns from 'node:dns';
import { Client, type Dispatcher } from 'undici';
import type { OutboundPolicy } from './addresses.ts';
import { Deadlines, Limited } from './deadlines.ts';
import { FirstBytes } from './first-bytes.ts';
import { type Connection, Connections, type Exchange } from './outbound-connections.ts';
import { outboundFailure } from './outbound-failure.ts';
import { guardedConnector, rememberedTargets } from './outbound-guard.ts';

export interface OutboundRequest {
  method: 'GET' | 'POST';
  url: string;
  headers: Record<string, string>;
  body?: Buffer;
  /** How much of the answer's body is read; the rest is cut off with its connection. */
  maxBytes: number;
  /** Asked when the request has its socket and nothing is written yet; false withholds it. */
  mayStart?: () => boolean;
  /**
   * Over a connection of its own and never repeated. Without it, a request that finds its kept
   * connection closed is sent once more: the receiver can tell (a delivery by its `webhook-id`).
   */
  once?: boolean;
}

export type OutboundAnswer =
  | {
      kind: 'answer';
      status: number;
      headers: Record<string, string | string[] | undefined>;
      body: Buffer;
      isTruncated: boolean;
      durationMs: number;
    }
  | { kind: 'failure'; code: string; message: string; durationMs: number }
  /** `mayStart` said no: not one byte was sent. */
  | { kind: 'withheld' };

export interface OutboundTimeouts {
  /** DNS, connection and TLS handshake. */
  connectMs: number;
  headersMs: number;
  /** Whole exchange, DNS to last byte. */
  totalMs: number;
}

const OUTBOUND_TIMEOUTS: OutboundTimeouts = {
  connectMs: 3_000,
  headersMs: 10_000,
  totalMs: 15_000,
};

export interface Outbound {
  send(request: OutboundRequest): Promise<OutboundAnswer>;
  close(): Promise<void>;
}

const IDLE_CONNECTION_MS = 30_000;
const MOST_HEADER_BYTES = 16 * 1024;
/** Answers such as 103 before the real one; each begins the wait for headers anew. */
const MOST_INTERIM_ANSWERS = 8;

/** @param resolve how names become addresses; tests replace it to play a DNS that changes its mind. */
export function createOutbound(
  policy: OutboundPolicy,
  timeouts: OutboundTimeouts = OUTBOUND_TIMEOUTS,
  resolve: typeof dns.lookup = dns.lookup,
): Outbound {
  const connect = guardedConnector(policy, timeouts.connectMs, resolve);
  const targetOf = rememberedTargets(policy);
  const deadlines = new Deadlines(timeouts.totalMs);
  const connections = new Connections(
    (origin) =>
      new Client(origin, {
        connect,
        pipelining: 1,
        keepAliveTimeout: IDLE_CONNECTION_MS,
        keepAliveMaxTimeout: IDLE_CONNECTION_MS,
        maxHeaderSize: MOST_HEADER_BYTES,
        headersTimeout: timeouts.headersMs,
        bodyTimeout: timeouts.headersMs,
      }),
  );

  const parts = { connections, deadlines };
  return {
    send(request) {
      const target = targetOf(request.url);
      if ('code' in target) return Promise.resolve({ kind: 'failure', durationMs: 0, ...target });
      return new Promise((done) => {
        const call = new Call(target.origin, target.path, request, parts, done);
        deadlines.begin(call);
        connections.start(target.origin, call);
      });
    },
    close: () => connections.close(new Interrupted()),
  };
}

/** Names and values in turn. */
function uncompressed(headers: Record<string, string>): string[] {
  const list = ['accept-encoding', 'identity'];
  for (const name in headers) {
    if (name !== 'accept-encoding') list.push(name, headers[name]!);
  }
  return list;
}

class Deadline extends Error {
  readonly code = 'DEADLINE';
}
class BadResponse extends Error {
  readonly code = 'BAD_RESPONSE';
}
class Interrupted extends Error {
  readonly code = 'INTERRUPTED';
}
class Withheld extends Error {}

const NO_HEADERS = {};
const NO_BODY = Buffer.alloc(0);

interface CallParts {
  connections: Connections;
  deadlines: Deadlines;
}

/** One request, until its answer or its failure. */
class Call extends Limited implements Exchange {
  readonly options: Dispatcher.DispatchOptions;
  needsNew: boolean;
  readonly #origin: string;
  readonly #request: OutboundRequest;
  readonly #parts: CallParts;
  readonly #done: (answer: OutboundAnswer) => void;
  #connection: Connection | undefined;
  #status = 0;
  #headers: Record<string, string | string[] | undefined> = NO_HEADERS;
  #body: FirstBytes | undefined;
  #interimAnswers = 0;
  #isRepeated = false;
  #isOver = false;

  constructor(
    origin: string,
    path: string,
    request: OutboundRequest,
    parts: CallParts,
    done: (answer: OutboundAnswer) => void,
  ) {
    super();
    const { method, headers, body } = request;
    this.options = { method, path, headers: uncompressed(headers), body };
    this.needsNew = request.once ?? false;
    this.#origin = origin;
    this.#request = request;
    this.#parts = parts;
    this.#done = done;
  }

  takes(connection: Connection): void {
    this.#connection = connection;
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    if (this.#isOver) controller.abort(new Withheld());
    else if (this.#request.mayStart?.() === false) {
      this.#end({ kind: 'withheld' });
      controller.abort(new Withheld());
      this.#drop();
    }
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
  ): void {
    this.#status = status;
    this.#headers = headers;
    if (status < 200 && ++this.#interimAnswers > MOST_INTERIM_ANSWERS) {
      this.fail(new BadResponse('One interim answer (1xx) follows another.'));
    }
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#isOver) return;
    this.#body ??= new FirstBytes(this.#request.maxBytes);
    if (this.#body.add(chunk)) return;
    this.#answer(true);
    this.#drop();
  }

  onResponseEnd(): void {
    if (this.#isOver) return;
    this.#answer(false);
    this.#parts.connections.release(this.#connection!);
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    if (this.#isOver) return;
    if (this.#foundItClosed(error)) {
      this.#isRepeated = true;
      this.needsNew = true;
      this.#drop();
      this.#parts.connections.start(this.#origin, this);
      return;
    }
    this.fail(error);
  }

  expire(): void {
    const seconds = this.#parts.deadlines.ms / 1000;
    this.fail(new Deadline(`There was no complete answer within ${seconds} s.`));
  }

  fail(error: Error): void {
    if (this.#isOver) return;
    const durationMs = this.#elapsed();
    this.#end({ kind: 'failure', ...outboundFailure(error), durationMs });
    this.#drop();
  }

  /** A kept connection that its other end closed while the request was on its way: no fault of anybody. */
  #foundItClosed(error: Error): boolean {
    return (
      !this.#isRepeated &&
      !this.#request.once &&
      this.#status === 0 &&
      this.#connection!.answers > 0 &&
      outboundFailure(error).code === 'connection_closed'
    );
  }

  #answer(isTruncated: boolean): void {
    this.#end({
      kind: 'answer',
      status: this.#status,
      headers: this.#headers,
      body: this.#body?.bytes ?? NO_BODY,
      isTruncated,
      durationMs: this.#elapsed(),
    });
  }

  #end(answer: OutboundAnswer): void {
    this.#isOver = true;
    this.#parts.deadlines.end(this);
    this.#done(answer);
  }

  #drop(): void {
    const { connections } = this.#parts;
    if (this.#connection) connections.drop(this.#connection);
    else connections.giveUp(this.#origin, this);
    this.#connection = undefined;
  }

  #elapsed(): number {
    return Math.round(performance.now() - this.started);
  }
}
