// What the benchmarks' receiver makes of bytes, in whatever pieces they arrive. Seen red: with a request that comes in
// pieces dropped; with a second one in the same piece passed over; with an id counted twice.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { expect } from 'chai';
import type { SinkReport } from '../../bench/delivery/sink.ts';
import { monotonicMs } from '../../bench/processes/child.ts';
import { type BenchProcess, closeProcesses, startProcess } from '../../bench/processes/parent.ts';

const ANSWER = 'HTTP/1.1 204 No Content\r\nconnection: keep-alive\r\n\r\n';
const request = (id: string, body: string) =>
  `POST /a HTTP/1.1\r\nwebhook-id: ${id}\r\ncontent-length: ${body.length}\r\n\r\n${body}`;

describe("the benchmarks' receiver", function () {
  this.timeout(60_000);
  let sink: BenchProcess;
  let socket: Socket;
  let answered: string;

  before(async () => {
    sink = await startProcess('delivery/sink.ts', { origins: 1, hung: 1 });
  });
  after(closeProcesses);
  beforeEach(async () => {
    await sink.ask('expect', { isAged: true });
    socket = await open('origins');
  });
  afterEach(() => void socket.destroy());

  async function open(which: 'origins' | 'hung'): Promise<Socket> {
    const addresses = await sink.ask<Record<typeof which, string[]>>('addresses');
    const opened = connect(Number(new URL(addresses[which][0]!).port), '127.0.0.1');
    answered = '';
    opened.on('data', (chunk) => {
      answered += chunk;
    });
    await once(opened, 'connect');
    return opened;
  }

  it('takes a request byte by byte, and several in one piece', async () => {
    const slow = request('slow', 'hello');
    for (const byte of slow) {
      socket.write(byte);
      await wait(1);
    }
    socket.write(request('b', 'two') + request('c', '') + request('b', 'two'));
    await sink.ask('reached', 3);
    await wait(50);
    expect(answered).to.equal(ANSWER.repeat(4));
    const { received, distinct, sample } = await sink.ask<SinkReport>('report');
    expect([received, distinct]).to.deep.equal([4, 3]);
    const [head] = slow.split('\r\n\r\n');
    expect(sample).to.deep.equal([{ head, body: 'hello' }]);
  });

  it('says when what was expected had come, and how old it was', async () => {
    const reached = sink.ask<number>('reached', 2);
    const sentAt = monotonicMs();
    socket.write(request('a', `{"name":"sent at ${sentAt};"}`));
    await wait(30);
    const before = monotonicMs();
    socket.write(request('b', 'without a time'));
    expect(await reached).to.be.within(before, monotonicMs());
    const { ages } = await sink.ask<SinkReport>('report');
    expect(ages).to.have.length(1);
    expect(ages[0]).to.be.within(0, 30 + monotonicMs() - before);
    expect(await sink.ask<number>('cpu')).to.be.above(0);
  });

  it('accepts everything and says nothing where it plays one that hangs', async () => {
    socket.destroy();
    socket = await open('hung');
    socket.write(request('a', 'hello'));
    await wait(50);
    expect(answered).to.equal('');
    expect(socket.destroyed).to.equal(false);
    expect((await sink.ask<SinkReport>('report')).received).to.equal(0);
  });
});
