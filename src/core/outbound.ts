// The only way out: every request the host makes to an address somebody else chose. Public addresses
// only, the vetted address is the one connected to, no redirects, bounded in time and size, nothing
// decompressed. Failures are answers too, so that "refused", "timed out" and "500" are equals.
import dns from 'node:dns';
import net from 'node:net';
import { buildConnector, type Dispatcher, Pool } from 'undici';
import { bareHost, isAllowedAddress, isLoopbackHost, type OutboundPolicy } from './addresses.ts';
import { outboundFailure } from './outbound-failure.ts';
import { shownUrl } from './shown-url.ts';

export interface OutboundRequest {
  method: 'GET' | 'POST';
  url: string;
  headers: Record<string, string>;
  body?: Buffer;
  /** How much of the answer's body is read; the rest is cut off with its connection. */
  maxBytes: number;
  /** Asked when the request has its socket and nothing is written yet; false withholds it. */
  mayStart?: () => boolean;
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

const CONNECTIONS_PER_ORIGIN = 16;
const IDLE_CONNECTION_MS = 30_000;

/** @param resolve how names become addresses; tests replace it to play a DNS that changes its mind. */
export function createOutbound(
  policy: OutboundPolicy,
  timeouts: OutboundTimeouts = OUTBOUND_TIMEOUTS,
  resolve: typeof dns.lookup = dns.lookup,
): Outbound {
  const connect = guardedConnector(policy, timeouts.connectMs, resolve);
  const lines = new Map<string, Line>();

  function lineTo(origin: string): Line {
    const known = lines.get(origin);
    if (known) return known;
    const pool = new Pool(origin, {
      connect,
      connections: CONNECTIONS_PER_ORIGIN,
      pipelining: 1,
      keepAliveTimeout: IDLE_CONNECTION_MS,
      headersTimeout: timeouts.headersMs,
      bodyTimeout: timeouts.headersMs,
    });
    const line = { pool, underWay: 0 };
    // Not left to its idle end: undici connects once more after a request that was aborted.
    const dropUnused = () => {
      if (line.underWay > 0 || lines.get(origin) !== line) return;
      lines.delete(origin);
      void pool.destroy();
    };
    pool.on('disconnect', dropUnused);
    pool.on('connectionError', dropUnused);
    lines.set(origin, line);
    return line;
  }

  return {
    async send(request) {
      const refusal = refuseUrl(request.url, policy);
      if (refusal) return { kind: 'failure', durationMs: 0, ...refusal };
      const url = new URL(request.url);
      return exchange(lineTo(url.origin), url, request, timeouts.totalMs);
    },
    async close() {
      const open = [...lines.values()];
      lines.clear();
      await Promise.all(open.map(({ pool }) => pool.destroy()));
    },
  };
}

/** What can be said of a URL before anything is resolved. */
export function refuseUrl(
  text: string,
  policy: OutboundPolicy,
): { code: string; message: string } | undefined {
  if (!URL.canParse(text)) {
    return { code: 'url_invalid', message: `"${shownUrl(text)}" is not an absolute URL.` };
  }
  const url = new URL(text);
  if (url.username || url.password) {
    return { code: 'url_credentials', message: 'The URL carries a user name or password.' };
  }
  const plainAllowed = policy.loopback && isLoopbackHost(url.hostname);
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && plainAllowed)) {
    return {
      code: 'url_not_https',
      message: `The URL begins with "${url.protocol}//"; this host calls https only.`,
    };
  }
  return undefined;
}

class AddressRefused extends Error {
  readonly code = 'ADDRESS_REFUSED';
}

/** Resolves, refuses unless every address is allowed, and connects to just those addresses. */
function guardedConnector(
  policy: OutboundPolicy,
  timeout: number,
  resolve: typeof dns.lookup,
): buildConnector.connector {
  const lookup: net.LookupFunction = (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, addresses) => {
      if (error) return callback(error, '', 0);
      const refused = addresses.find(({ address }) => !isAllowedAddress(address, policy));
      if (refused || addresses.length === 0) {
        return callback(addressRefused(hostname, refused?.address ?? 'nothing'), '', 0);
      }
      if (options.all) return callback(null, addresses);
      callback(null, addresses[0]!.address, addresses[0]!.family);
    });
  };
  const connect = buildConnector({ timeout, lookup, allowH2: false });
  return (options, callback) => {
    const host = bareHost(options.hostname);
    if (net.isIP(host) && !isAllowedAddress(host, policy)) {
      callback(addressRefused(host, host), null);
      return;
    }
    connect(options, (...result) => {
      const socket = result[1];
      if (socket?.remoteAddress && !isAllowedAddress(socket.remoteAddress, policy)) {
        socket.destroy();
        return callback(addressRefused(host, socket.remoteAddress), null);
      }
      callback(...result);
    });
  };
}

function addressRefused(host: string, address: string): AddressRefused {
  const subject = host === address ? `"${host}"` : `"${host}" resolves to ${address}, which`;
  return new AddressRefused(`${subject} is not a public address; this host does not call it.`);
}

class Deadline extends Error {
  readonly code = 'DEADLINE';
}
class Withheld extends Error {}
class ReadEnough extends Error {}

/** Connections to one origin, and how many exchanges need them. */
interface Line {
  pool: Pool;
  underWay: number;
}

function exchange(
  line: Line,
  url: URL,
  request: OutboundRequest,
  totalMs: number,
): Promise<OutboundAnswer> {
  return new Promise((done) => {
    const started = performance.now();
    const elapsed = () => Math.round(performance.now() - started);
    const chunks: Buffer[] = [];
    let size = 0;
    let status = 0;
    let headers: Record<string, string | string[] | undefined> = {};
    let controller: Dispatcher.DispatchController | undefined;
    let isOver = false;

    line.underWay++;
    const finish = (answer: OutboundAnswer) => {
      if (isOver) return;
      isOver = true;
      line.underWay--;
      clearTimeout(deadline);
      done(answer);
    };
    const fail = (error: Error) =>
      finish({ kind: 'failure', durationMs: elapsed(), ...outboundFailure(error) });
    const deadline = setTimeout(() => {
      const error = new Deadline(`There was no complete answer within ${totalMs / 1000} s.`);
      controller?.abort(error);
      fail(error);
    }, totalMs);
    const succeed = (isTruncated: boolean) =>
      finish({
        kind: 'answer',
        status,
        headers,
        body: Buffer.concat(chunks),
        isTruncated,
        durationMs: elapsed(),
      });

    line.pool.dispatch(
      {
        method: request.method,
        path: url.pathname + url.search,
        headers: { ...request.headers, 'accept-encoding': 'identity' },
        body: request.body,
      },
      {
        onRequestStart(c) {
          controller = c;
          if (isOver) c.abort(new Withheld());
          else if (request.mayStart && !request.mayStart()) {
            finish({ kind: 'withheld' });
            c.abort(new Withheld());
          }
        },
        onResponseStart(_c, code, answerHeaders) {
          status = code;
          headers = answerHeaders;
        },
        onResponseData(c, chunk) {
          const room = request.maxBytes - size;
          chunks.push(chunk.length > room ? chunk.subarray(0, room) : chunk);
          size += chunk.length;
          if (size > request.maxBytes) {
            succeed(true);
            c.abort(new ReadEnough());
          }
        },
        onResponseEnd: () => succeed(false),
        onResponseError: (_c, error) => fail(error),
      },
    );
  });
}
