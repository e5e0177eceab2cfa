// Takes its time, or never comes to an end.
import { drip, type Play, pour, raw } from './play.ts';

const OK = 'HTTP/1.1 200 OK\r\n';

export const SLOW: Record<string, Play> = {
  '/hang': () => {},
  '/slow-headers': (request) => drip(request, '', `${OK}X-Slow: ${'x'.repeat(1_000)}`),
  '/slow-body': (request) => drip(request, `${OK}Content-Length: 1000\r\n\r\n`, 'x'),
  '/endless-status': (request) => pour(request, 'HTTP/1.1 200 ', 'O'.repeat(16_384)),
  '/endless-headers': (request) => pour(request, OK, `X-Long: ${'x'.repeat(1_000)}\r\n`),
  '/endless-trailers': (request) =>
    pour(
      request,
      `${OK}Transfer-Encoding: chunked\r\nTrailer: x-long\r\n\r\n2\r\nok\r\n0\r\n`,
      `X-Long: ${'x'.repeat(1_000)}\r\n`,
    ),
  '/1xx-flood': (request) => pour(request, '', 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n'),
  '/unasked-continue': raw('HTTP/1.1 100 Continue\r\n\r\n'),
  '/switching-protocols': raw(
    'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
  ),
};
