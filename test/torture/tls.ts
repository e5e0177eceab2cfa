// What can go wrong before the first byte of HTTP. Each is a port of its own that is in order until an
// add-on was installed there, and hostile from then on.
import { createServer as createHttpsServer } from 'node:https';
import net from 'node:net';
import type { TlsOptions } from 'node:tls';
import { issuedByStranger, selfSigned } from '../core/self-signed.ts';
import type { Play } from './play.ts';

const DAY_MS = 24 * 3_600_000;
const ago = (days: number) => new Date(Date.now() - days * DAY_MS);

const GOOD = selfSigned('localhost');
const EXPIRED = selfSigned('localhost', ago(3), ago(1));
const WRONG_HOST = selfSigned('other.example');

/** What a host must trust so that these are expired and of another host, not merely unknown. */
export const TRUSTED = [GOOD, EXPIRED, WRONG_HOST].map(({ cert }) => cert).join('');

const OLD: TlsOptions = {
  ...GOOD,
  minVersion: 'TLSv1',
  maxVersion: 'TLSv1.1',
  ciphers: 'DEFAULT@SECLEVEL=0',
};

const over =
  (options: TlsOptions): ((socket: net.Socket) => void) =>
  (socket) =>
    void createHttpsServer(options, (_request, response) => response.end()).emit(
      'connection',
      socket,
    );

const HOSTILE: Record<string, (socket: net.Socket) => void> = {
  '/tls-expired': over(EXPIRED),
  '/tls-wrong-host': over(WRONG_HOST),
  '/tls-self-signed': over(selfSigned('localhost')),
  '/tls-unknown-issuer': over(issuedByStranger('localhost')),
  '/tls-old': over(OLD),
  '/tls-stall': (socket) => void socket.resume(),
  '/tls-close': (socket) => void socket.once('data', () => socket.destroy()),
  '/tls-plain': (socket) =>
    void socket.once('data', () => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')),
};

export const TLS_PATHS = Object.keys(HOSTILE);

/** @param friendly answers while the port is in order; `isInstalled` says when it no longer is. */
export function tlsPort(path: string, friendly: Play, isInstalled: () => boolean): net.Server {
  const inOrder = createHttpsServer(GOOD, (request, response) => {
    // A connection that is kept would never see what comes after it.
    response.setHeader('connection', 'close');
    friendly(request, response);
  });
  return net.createServer((socket) => {
    if (isInstalled()) HOSTILE[path]!(socket);
    else inOrder.emit('connection', socket);
  });
}
