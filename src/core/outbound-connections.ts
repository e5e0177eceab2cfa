// The connections that are open: a few to each origin, one exchange at a time on each, kept for the
// next exchange while there is room for idle ones. An origin without connections is forgotten.
import type { Client, Dispatcher } from 'undici';

/** What goes over a connection. undici tells it the answer. */
export interface Exchange extends Dispatcher.DispatchHandler {
  readonly options: Dispatcher.DispatchOptions;
  /** Only over a connection that has carried nothing yet. */
  readonly needsNew: boolean;
  /** It begins on this one; before that it waited. */
  takes(connection: Connection): void;
  fail(error: Error): void;
}

export interface Connection {
  readonly client: Client;
  readonly line: Line;
  /** Read on the socket that is open now; undici opens another when it finds one closed. */
  answers: number;
  isDropped: boolean;
}

/** Connections to one origin, and what waits for one. */
interface Line {
  readonly origin: string;
  readonly all: Set<Connection>;
  /** The last used last: it is the likeliest to be still open. */
  readonly idle: Connection[];
  readonly waiting: Set<Exchange>;
}

/** As many as an engine has under way: none is late because another one of its origin is slow. */
const CONNECTIONS_PER_ORIGIN = 64;
/** To all origins: ten thousand add-ons do not cost ten thousand sockets. */
const IDLE_CONNECTIONS = 256;

export class Connections {
  readonly #open: (origin: string) => Client;
  readonly #lines = new Map<string, Line>();
  /** The longest unused first. */
  readonly #idle = new Set<Connection>();

  constructor(open: (origin: string) => Client) {
    this.#open = open;
  }

  /** On an idle connection, a new one, or the next that is free. */
  start(origin: string, exchange: Exchange): void {
    const line = this.#lineTo(origin);
    if (exchange.needsNew) {
      // An idle one makes room: nothing else would.
      if (line.all.size >= CONNECTIONS_PER_ORIGIN && line.idle[0]) this.drop(line.idle[0]);
      this.#startOnNew(line, exchange);
      return;
    }
    const connection = line.idle.pop();
    if (connection) {
      this.#idle.delete(connection);
      dispatch(connection, exchange);
    } else {
      this.#startOnNew(line, exchange);
    }
  }

  /** It waits no more. */
  giveUp(origin: string, exchange: Exchange): void {
    this.#lines.get(origin)?.waiting.delete(exchange);
  }

  /** The exchange on it has ended well. */
  release(connection: Connection): void {
    if (connection.isDropped) return;
    connection.answers++;
    const { line } = connection;
    const next = firstOf(line.waiting);
    if (next?.needsNew) {
      // Another takes its place, and the exchange begins on that.
      this.drop(connection);
      return;
    }
    if (next) {
      line.waiting.delete(next);
      dispatch(connection, next);
      return;
    }
    line.idle.push(connection);
    this.#idle.add(connection);
    if (this.#idle.size > IDLE_CONNECTIONS) this.drop(firstOf(this.#idle)!);
  }

  /** Closed, whatever is under way on it. */
  drop(connection: Connection): void {
    if (connection.isDropped) return;
    connection.isDropped = true;
    const { line } = connection;
    line.all.delete(connection);
    if (this.#idle.delete(connection)) line.idle.splice(line.idle.indexOf(connection), 1);
    // undici may be in the middle of telling what happened to it.
    queueMicrotask(() => void connection.client.destroy());
    const next = firstOf(line.waiting);
    if (next) {
      line.waiting.delete(next);
      this.#startOnNew(line, next);
    } else if (line.all.size === 0) {
      this.#lines.delete(line.origin);
    }
  }

  /** What is under way fails, and so does what waits. */
  async close(error: Error): Promise<void> {
    const lines = [...this.#lines.values()];
    this.#lines.clear();
    this.#idle.clear();
    const waiting = lines.flatMap((line) => [...line.waiting]);
    for (const line of lines) line.waiting.clear();
    for (const exchange of waiting) exchange.fail(error);
    const clients = lines.flatMap(({ all }) => [...all].map(({ client }) => client));
    await Promise.all(clients.map((client) => client.destroy(error)));
  }

  #lineTo(origin: string): Line {
    let line = this.#lines.get(origin);
    if (!line) {
      line = { origin, all: new Set(), idle: [], waiting: new Set() };
      this.#lines.set(origin, line);
    }
    return line;
  }

  #startOnNew(line: Line, exchange: Exchange): void {
    if (line.all.size >= CONNECTIONS_PER_ORIGIN) {
      line.waiting.add(exchange);
      return;
    }
    const client = this.#open(line.origin);
    const connection: Connection = { client, line, answers: 0, isDropped: false };
    line.all.add(connection);
    client.on('disconnect', () => {
      connection.answers = 0;
      if (this.#idle.has(connection)) this.drop(connection);
    });
    dispatch(connection, exchange);
  }
}

function dispatch(connection: Connection, exchange: Exchange): void {
  exchange.takes(connection);
  connection.client.dispatch(exchange.options, exchange);
}

function firstOf<T>(set: Set<T>): T | undefined {
  return set.values().next().value;
}
