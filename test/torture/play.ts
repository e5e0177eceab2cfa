// How a behaviour is played: with the request read, or (where it says so) before.
import type { IncomingMessage, ServerResponse } from 'node:http';

export type Play = (request: IncomingMessage, response: ServerResponse) => void;

/** Bytes instead of an answer; the connection stays open. */
export function raw(bytes: string): Play {
  return (request) => void request.socket.write(bytes, 'latin1');
}

/** Bytes, then the end of the connection. */
export function rawAndClose(bytes: string): Play {
  return (request) => void request.socket.end(bytes, 'latin1');
}

/** One piece after another until the other end has had enough, at most for `MOST_MS`. */
export function pour(request: IncomingMessage, head: string, piece: string | Buffer): void {
  const { socket } = request;
  const end = setTimeout(() => socket.destroy(), MOST_MS);
  const write = () => {
    while (!socket.destroyed && socket.write(piece));
  };
  socket.on('drain', write);
  socket.on('close', () => clearTimeout(end));
  socket.write(head);
  write();
}

/** One byte a second. */
export function drip(request: IncomingMessage, head: string, bytes: string): void {
  const { socket } = request;
  let at = 0;
  socket.write(head);
  const timer = setInterval(() => {
    socket.write(bytes[at++ % bytes.length]!);
  }, 1_000);
  socket.on('close', () => clearInterval(timer));
}

/** Longer than any host should listen. */
const MOST_MS = 60_000;
