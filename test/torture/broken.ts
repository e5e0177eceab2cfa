// Breaks off, or breaks the rules.
import { type Play, raw, rawAndClose } from './play.ts';

export const BROKEN: Record<string, Play> = {
  '/reset': (request) => request.socket.resetAndDestroy(),
  '/close': rawAndClose(''),
  '/reset-mid-body': (request) => {
    request.socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nhalf', () =>
      setTimeout(() => request.socket.resetAndDestroy(), 100),
    );
  },
  '/short-body': rawAndClose('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf'),
  '/half-status': rawAndClose('HTTP/1.1 2'),
  '/garbage': raw('220 mail.example ESMTP\r\n'),
  '/header-injection': raw(
    'HTTP/1.1 200 OK\r\nX-Name: a\rSet-Cookie: b\r\nContent-Length: 0\r\n\r\n',
  ),
  '/two-lengths': raw('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 200\r\n\r\nok'),
  '/two-answers': raw('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'.repeat(2)),
  '/duplicate-close': rawAndClose(
    'HTTP/1.1 200 OK\r\nConnection: close\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok',
  ),
  '/old-http': rawAndClose('HTTP/1.0 200 OK\r\n\r\nok'),
  '/trailers': raw(
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n',
  ),
};

/** Played before the request is read. */
export const AT_ONCE: Record<string, Play> = {
  '/early-answer': rawAndClose('HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n'),
};
