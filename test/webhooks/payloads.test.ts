// What is kept of events on their way out. Seen red: with an event that one is told of kept; with one that many are told
// of forgotten; with the room of what was forgotten not given back.
import { expect } from 'chai';
import { compilePlatform } from '../../src/platform/compile.ts';
import type { EventRow, OwedDelivery } from '../../src/store/rows.ts';
import { FreshEvents } from '../../src/webhooks/fresh-events.ts';
import { Payloads } from '../../src/webhooks/payloads.ts';
import { eventRow } from '../helpers/event-row.ts';

const platform = compilePlatform(
  JSON.stringify({
    key: 'product',
    name: 'Product',
    scopes: { read: { sentence: 'See it' } },
    events: {
      'repo:push': { title: 'Push', scope: 'read', payload: { type: 'object' }, example: {} },
    },
  }),
);
const MIB = 1024 * 1024;

describe('a published event', () => {
  const owed = (event: EventRow) => ({ eventId: event.id }) as OwedDelivery;
  let payloads: Payloads;

  beforeEach(() => {
    const events = { findOwed: async () => undefined, findAllOwed: async () => [] };
    payloads = new Payloads({ events, platform, onUndeclared: () => undefined });
  });

  it('that one is told of is kept until it is sent', () => {
    const event = eventRow();
    payloads.remember(event, ['read']);
    payloads.tellsOne(event.id);
    expect(payloads.known(owed(event))).to.equal(event);
    payloads.sent(event.id);
    expect(payloads.known(owed(event))).to.equal(undefined);
  });

  it('that many are told of is kept while there is room', () => {
    const events = Array.from({ length: 80 }, () => eventRow({ payload: Buffer.alloc(MIB) }));
    for (const event of events) {
      payloads.remember(event, ['read']);
      payloads.sent(event.id);
    }
    const known = events.filter((event) => payloads.known(owed(event)));
    expect(known).to.deep.equal(events.slice(-known.length));
    expect(known.length).to.be.within(60, 64);
  });

  it('leaves nothing behind, in whatever order they are sent', () => {
    const [first, ...others] = Array.from({ length: 5_000 }, () => eventRow());
    payloads.remember(first!, ['read']);
    for (const event of others) {
      payloads.remember(event, ['read']);
      payloads.tellsOne(event.id);
    }
    for (const event of others.toReversed()) payloads.sent(event.id);
    expect(payloads.known(owed(first!))).to.equal(first);
    const large = Array.from({ length: 70 }, () => eventRow({ payload: Buffer.alloc(MIB) }));
    for (const event of large) payloads.remember(event, ['read']);
    expect(payloads.known(owed(first!))).to.equal(undefined);
    expect(payloads.known(owed(large.at(-60)!))).to.equal(large.at(-60));
  });

  it('is told to a thread with how many are told of it', () => {
    const fresh = new FreshEvents(1);
    const [one, many] = [eventRow(), eventRow()];
    for (const event of [one, many]) fresh.add(event, ['read']);
    fresh.tellsOne(one.id);
    expect(fresh.takeFor(0, one.id)?.isForOne).to.equal(true);
    expect(fresh.takeFor(0, many.id)?.isForOne).to.equal(false);
  });
});
