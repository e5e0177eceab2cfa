// Seen red: with two values of a tuple in each other's place.
import { expect } from 'chai';
import type { OwedDelivery } from '../../src/store/rows.ts';
import type { Attempted } from '../../src/webhooks/attempt.ts';
import {
  askedTuple,
  eventTuple,
  madeTuple,
  readAsked,
  readEvent,
  readMade,
} from '../../src/webhooks/attempt-tuples.ts';
import { eventRow } from '../helpers/event-row.ts';

const delivery: OwedDelivery = {
  id: 'id',
  installationId: 'installation',
  webhookId: 'webhook',
  eventSeq: 1,
  eventId: 'event',
  eventType: 'repo:push',
  eventAt: 2,
  orderingKey: 'order',
  replayId: 'replay',
  allowed: 'now',
  attempts: 3,
  dueAt: 4,
  expiresAt: 5,
};

describe('what threads tell each other', () => {
  it('is an attempt to make, as it was asked for', () => {
    const asked = { delivery, isProbe: true, random: 0.5 };
    expect(readAsked(structuredClone(askedTuple(7, asked)))).to.deep.equal({ ticket: 7, ...asked });
  });

  it('is an event, as it was published', () => {
    const event = eventRow({
      resource: 'resource',
      actor: 'actor',
      orderingKey: 'order',
      traceId: 'trace',
      idempotency: { key: 'key', bodyHash: Buffer.from('hash'), expiresAt: 1 },
    });
    const tuple = structuredClone(
      eventTuple({ row: event, scopesToSeeAll: ['a', 'b'], isForOne: true }),
    );
    expect(tuple.slice(0, 3)).to.deep.equal([event.payload.length, ['a', 'b'], true]);
    expect(readEvent(tuple, event.payload)).to.deep.equal({ ...event, idempotency: null });
  });

  it('is what came of an attempt', () => {
    const attempted: Attempted = {
      record: {
        delivery,
        isProbe: true,
        number: 4,
        at: 6,
        durationMs: 7,
        outcome: 'retry',
        status: 500,
        reason: 'status_500',
        message: 'The add-on answered 500.',
        responseExcerpt: 'out of order',
        url: 'https://addon.example/hook',
        withheld: [{ pointer: '/actor/email', scope: 'email' }],
        nextDueAt: 8,
      },
      bytes: 9,
      traceId: 'trace',
      silentUntil: 10,
      refusal: { reason: 'uninstalled', message: 'Gone.', refuses: 'all', epoch: 11 },
    };
    const tuple = structuredClone(madeTuple(12, attempted));
    expect(tuple[0]).to.equal(12);
    expect(readMade(tuple, delivery)).to.deep.equal(attempted);
  });
});
