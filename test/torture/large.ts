// Sends more than anybody wants.
import { gzipSync } from 'node:zlib';
import { type Play, pour } from './play.ts';

const MEGABYTE = Buffer.alloc(1_000_000, 'x');

export const LARGE: Record<string, Play> = {
  '/endless-body': (request) =>
    pour(
      request,
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n',
      `4000\r\n${'x'.repeat(0x4000)}\r\n`,
    ),
  '/huge-body': (_request, response) => {
    response.writeHead(200, { 'content-length': 100 * MEGABYTE.length });
    sendTimes(100, MEGABYTE, response);
  },
  '/gzip-bomb': (_request, response) => {
    // A gzip file may be many, one after another: 1,000 times 10 MB of zeros.
    const member = gzipSync(Buffer.alloc(10_000_000));
    response.writeHead(200, { 'content-encoding': 'gzip' });
    sendTimes(1_000, member, response);
  },
  '/tiny-chunks': (request) => {
    request.socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
    request.socket.write(`${'1\r\nx\r\n'.repeat(60_000)}0\r\n\r\n`);
  },
};

function sendTimes(times: number, piece: Buffer, response: Parameters<Play>[1]): void {
  let left = times;
  const send = () => {
    while (left > 0 && !response.destroyed) {
      left--;
      if (!response.write(piece)) return;
    }
    response.end();
  };
  response.on('drain', send);
  send();
}
