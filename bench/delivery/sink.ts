// The receiver of all deliveries, a process of its own: raw TCP and just enough HTTP, so that it is not what is
// measured. It counts distinct deliveries, keeps some whole requests, and notes how old each was.
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { answerQuestions, monotonicMs, readSettings } from '../processes/child.ts';
import { timestampIn } from './push-event.ts';
import { RequestParser } from './request-parser.ts';

export interface SinkSettings {
  /** How many origins it is. */
  origins: number;
  /** How many more accept everything and answer nothing. */
  hung: number;
}

export interface ReceivedRequest {
  head: string;
  body: string;
}

export interface SinkReport {
  /** Requests of the deliveries expected, and how many distinct ids they had. */
  received: number;
  distinct: number;
  sample: ReceivedRequest[];
  /** From the time in the payload to the last byte here, ms, of requests that carry one. */
  ages: number[];
}

/** One of so many is kept. */
const SAMPLE_EVERY = 997;
const ID_HEADER = '\r\nwebhook-id: ';
const ANSWER = Buffer.from('HTTP/1.1 204 No Content\r\nconnection: keep-alive\r\n\r\n');

const { origins, hung } = readSettings<SinkSettings>();
let report: SinkReport;
let ids: Set<string>;
let isAged: boolean;
let awaited: { distinct: number; reached: (at: number) => void } | undefined;

function forget(): void {
  report = { received: 0, distinct: 0, sample: [], ages: [] };
  ids = new Set();
  awaited = undefined;
}

function receive(head: string, body: Buffer): void {
  report.received++;
  ids.add(deliveryId(head));
  if (report.received % SAMPLE_EVERY === 1) report.sample.push({ head, body: body.toString() });
  if (isAged) {
    const sentAt = timestampIn(body);
    if (sentAt !== undefined) report.ages.push(monotonicMs() - sentAt);
  }
  if (awaited && ids.size >= awaited.distinct) {
    awaited.reached(monotonicMs());
    awaited = undefined;
  }
}

function deliveryId(head: string): string {
  const found = head.indexOf(ID_HEADER);
  if (found < 0) throw new Error(`A request without webhook-id:\n${head}`);
  const start = found + ID_HEADER.length;
  const end = head.indexOf('\r', start);
  return end < 0 ? head.slice(start) : head.slice(start, end);
}

function answering(socket: Socket): void {
  const parser = new RequestParser((head, body) => {
    socket.write(ANSWER);
    receive(head, body);
  });
  socket.setNoDelay(true);
  socket.on('data', (chunk) => parser.push(chunk));
  socket.on('error', () => undefined);
}

function silent(socket: Socket): void {
  socket.resume();
  socket.on('error', () => undefined);
}

function listen(onSocket: (socket: Socket) => void): Promise<string> {
  const server = createServer(onSocket);
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () =>
      resolve(`http://127.0.0.1:${(server.address() as AddressInfo).port}`),
    );
  });
}

const several = (count: number, onSocket: (socket: Socket) => void) =>
  Promise.all(Array.from({ length: count }, () => listen(onSocket)));

forget();
const addresses = { origins: await several(origins, answering), hung: await several(hung, silent) };

answerQuestions({
  addresses: () => addresses,
  /** Forgets what was before. */
  expect(options: { isAged: boolean }) {
    forget();
    isAged = options.isAged;
  },
  /** When so many distinct deliveries had arrived. */
  reached: (distinct: number) =>
    ids.size >= distinct
      ? monotonicMs()
      : new Promise<number>((reached) => {
          awaited = { distinct, reached };
        }),
  report: (): SinkReport => ({ ...report, distinct: ids.size }),
});
