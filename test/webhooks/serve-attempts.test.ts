// A thread that makes attempts, from the inside. Seen red: all that is asked for begun in one turn of the event loop.
import { setImmediate as nextTurn } from 'node:timers/promises';
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { expect } from 'chai';
import type { OwedDelivery } from '../../src/store/rows.ts';
import { askedTuple } from '../../src/webhooks/attempt-tuples.ts';
import { AttemptBroken, type Attempts } from '../../src/webhooks/attempts.ts';
import { Origins } from '../../src/webhooks/origins.ts';
import { serveAttempts } from '../../src/webhooks/serve-attempts.ts';
import { until } from '../helpers/until.ts';

const ASKED = 100;
/** Of what is asked for together, begun in one turn. */
const MOST_IN_A_TURN = 16;

describe('a thread that is asked for many attempts at once', () => {
  let port: MessagePort;
  let inside: MessagePort;
  const begun: string[] = [];

  beforeEach(() => {
    const { port1, port2 } = new MessageChannel();
    port = port1;
    inside = port2;
    begun.length = 0;
    const attempts: Attempts = {
      origins: new Origins(),
      async make({ id }) {
        begun.push(id);
        throw new AttemptBroken(new Error('nothing is sent here'), undefined);
      },
      prefetch: async () => undefined,
      remember() {},
      tellsOne() {},
      settle: async () => undefined,
      close: async () => undefined,
    };
    serveAttempts(inside, attempts, async () => undefined);
  });
  afterEach(() => {
    port.close();
    inside.close();
  });

  const ask = (from: number, count: number) =>
    port.postMessage({
      attempts: Array.from({ length: count }, (_, i) => asked(from + i)),
      events: [],
      payloads: new ArrayBuffer(0),
    });

  it('begins some, looks at what has come meanwhile, and goes on in turn', async () => {
    ask(0, ASKED / 2);
    ask(ASKED / 2, ASKED / 2);
    const perTurn: number[] = [];
    await until(async () => {
      const before = begun.length;
      await nextTurn();
      perTurn.push(begun.length - before);
      return begun.length === ASKED;
    }, 'all to begin');
    expect(Math.max(...perTurn)).to.be.within(1, MOST_IN_A_TURN);
    expect(begun).to.deep.equal(Array.from({ length: ASKED }, (_, i) => `${i}`));
  });
});

function asked(i: number): ReturnType<typeof askedTuple> {
  return askedTuple(i, { delivery: { id: `${i}` } as OwedDelivery, isProbe: false, random: 0 });
}
