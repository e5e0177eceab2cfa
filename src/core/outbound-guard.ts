// What may be called: the rules that a URL is held against before anything is resolved, and the
// connector that resolves, refuses unless every address is allowed, and connects to just those.
import type dns from 'node:dns';
import net from 'node:net';
import { buildConnector } from 'undici';
import {
  bareHost,
  isAllowedAddress,
  isLoopbackHost,
  type OutboundPolicy,
  portsAllowed,
  refusedPort,
} from './addresses.ts';
import { shownUrl } from './shown-url.ts';

/** Where a request goes, or why it goes nowhere. */
export type Target = { origin: string; path: string } | { code: string; message: string };

/** What can be said of a URL before anything is resolved. */
export function targetOf(text: string, policy: OutboundPolicy): Target {
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
  const port = refusedPort(url, policy);
  if (port !== undefined) {
    return {
      code: 'url_port',
      message: `The URL names port ${port}; this host calls ${portsAllowed(policy)}.`,
    };
  }
  return { origin: url.origin, path: url.pathname + url.search };
}

const TARGETS_KEPT = 4096;

/** Remembers: a webhook's URL is asked for with each delivery, and its answer never changes. */
export function rememberedTargets(policy: OutboundPolicy): (text: string) => Target {
  const known = new Map<string, Target>();
  return (text) => {
    let target = known.get(text);
    if (!target) {
      target = targetOf(text, policy);
      if (known.size >= TARGETS_KEPT) known.clear();
      known.set(text, target);
    }
    return target;
  };
}

class AddressRefused extends Error {
  readonly code = 'ADDRESS_REFUSED';
}

function addressRefused(host: string, address: string): AddressRefused {
  const subject = host === address ? `"${host}"` : `"${host}" resolves to ${address}, which`;
  return new AddressRefused(`${subject} is not a public address; this host does not call it.`);
}

class ConnectTimeout extends Error {
  readonly code: string;

  constructor(isShakingHands: boolean) {
    super();
    this.code = isShakingHands ? 'TLS_TIMEOUT' : 'CONNECT_TIMEOUT';
  }
}

class HandshakeClosed extends Error {
  readonly code = 'TLS_CLOSED';
}

const CLOSED = new Set(['ECONNRESET', 'EPIPE']);

type Connect = (options: buildConnector.Options, callback: buildConnector.Callback) => net.Socket;

/** @param timeout milliseconds from the question to DNS to the end of the TLS handshake. */
export function guardedConnector(
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
  // The socket it returns is not in its type, and is the only one to tell a handshake from a connection.
  const connect = buildConnector({
    timeout: 0, // its timers are half a second late
    lookup,
    allowH2: false,
    minVersion: 'TLSv1.2',
  }) as unknown as Connect;
  return (options, callback) => {
    const host = bareHost(options.hostname);
    if (net.isIP(host) && !isAllowedAddress(host, policy)) {
      callback(addressRefused(host, host), null);
      return;
    }
    let isShakingHands = false;
    const attempt = connect(options, (error, socket) => {
      clearTimeout(timer);
      if (error) {
        const isClosed = CLOSED.has((error as NodeJS.ErrnoException).code ?? '');
        callback(isShakingHands && isClosed ? new HandshakeClosed() : error, null);
        return;
      }
      if (socket.remoteAddress && !isAllowedAddress(socket.remoteAddress, policy)) {
        socket.destroy();
        return callback(addressRefused(host, socket.remoteAddress), null);
      }
      callback(null, socket);
    });
    attempt.once('connect', () => {
      isShakingHands = options.protocol === 'https:';
    });
    const timer = setTimeout(() => attempt.destroy(new ConnectTimeout(isShakingHands)), timeout);
  };
}
