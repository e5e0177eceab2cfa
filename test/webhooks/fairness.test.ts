// The parts that keep one lane from another's way, each by itself.
import { expect } from 'chai';
import type { OwedDelivery } from '../../src/store/rows.ts';
import { Endpoint, MOST_PER_ORIGIN } from '../../src/webhooks/endpoint.ts';
import { Lane, SLOW_MS } from '../../src/webhooks/lane.ts';
import { SLOTS, Slots } from '../../src/webhooks/slots.ts';
import { Timeline } from '../../src/webhooks/timeline.ts';

const T = 1_000_000;

function owed(id: string, more: Partial<OwedDelivery> = {}): OwedDelivery {
  return {
    id,
    installationId: 'i',
    webhookId: 'w',
    eventSeq: 1,
    eventId: 'e',
    eventType: 'repo:push',
    eventAt: T,
    orderingKey: null,
    replayId: null,
    allowed: null,
    attempts: 0,
    dueAt: T,
    expiresAt: T + 1_000,
    ...more,
  };
}

describe('the bulkhead', () => {
  it('gives lanes in trouble a quarter, and with those that never answered a half', () => {
    const slots = new Slots();
    while (slots.mayTake('troubled')) slots.take('troubled');
    expect(slots.taken).to.equal(SLOTS / 4);
    while (slots.mayTake('untried')) slots.take('untried');
    expect(slots.taken).to.equal(SLOTS / 2);
    expect(slots.mayTake('well')).to.equal(true);
    while (slots.mayTake('well')) slots.take('well');
    expect(slots.taken).to.equal(SLOTS);
  });

  it('counts what turns out slow where it belongs, so that others are not kept out', () => {
    const slots = new Slots();
    for (let i = 0; i < SLOTS / 2; i++) slots.take('untried');
    expect(slots.mayTake('untried')).to.equal(false);
    slots.move(SLOTS / 2, 'untried', 'troubled');
    expect(slots.mayTake('troubled')).to.equal(false);
    expect(slots.mayTake('well')).to.equal(true);
  });

  it('lets one lane have half of all, and several equal parts', () => {
    const slots = new Slots();
    const held = [0, 0, 0];
    const takeAll = (lanes: number[]) => {
      for (let progress = true; progress; ) {
        progress = false;
        for (const lane of lanes) {
          if (!slots.mayTake('well') || !slots.laneMayTake(held[lane]!)) continue;
          slots.take('well');
          held[lane] = held[lane]! + 1;
          progress = true;
        }
      }
    };
    takeAll([0]);
    expect(held[0]).to.equal(SLOTS / 2);
    for (; held[0]! > 0; held[0] = held[0]! - 1) slots.give('well');
    takeAll([0, 1, 2]);
    expect(Math.max(...held) - Math.min(...held)).to.be.lessThan(2);
    expect(slots.free).to.be.greaterThan(0);
  });
});

describe('an origin', () => {
  it('is asked for more while it answers well, and for half when it is too much', () => {
    const endpoint = new Endpoint('https://a.example');
    const limit = () => {
      endpoint.underWay = 0;
      while (endpoint.hasRoom) endpoint.underWay++;
      return endpoint.underWay;
    };
    const first = limit();
    for (let i = 0; i < first; i++) endpoint.succeeded();
    expect(limit()).to.equal(2 * first);
    for (let i = 0; i < 1_000; i++) endpoint.succeeded();
    expect(limit()).to.equal(MOST_PER_ORIGIN);
    endpoint.troubled(true);
    expect(limit()).to.equal(MOST_PER_ORIGIN / 2);
    for (let i = 0; i < 20; i++) endpoint.troubled(true);
    expect(limit()).to.equal(1);
  });

  it('is down after a run of trouble, and up again with one success', () => {
    const endpoint = new Endpoint('https://a.example');
    for (let i = 0; i < 8; i++) {
      expect(endpoint.isDown).to.equal(false);
      endpoint.troubled(false);
    }
    expect(endpoint.isDown).to.equal(true);
    endpoint.succeeded();
    expect(endpoint.isDown).to.equal(false);
  });
});

describe('a lane', () => {
  it('keeps what it is handed, and goes to the table for what it has no room for', () => {
    const lane = new Lane('i');
    lane.hand(owed('a'), true, 0);
    lane.hand(owed('b'), false, 0);
    lane.hand(owed('c'), true, 0);
    expect(lane.take(T)?.id).to.equal('a');
    // c came after b: what is newer does not overtake what is in the table.
    expect(lane.take(T)).to.equal(undefined);
    expect(lane.needsRefill(T)).to.equal(true);
    lane.beginRefill();
    lane.refill([owed('a'), owed('b'), owed('c')], undefined);
    expect([lane.take(T)?.id, lane.take(T)?.id, lane.take(T)?.id]).to.deep.equal([
      'b',
      'c',
      undefined,
    ]);
  });

  it('does not take again what was recorded while the table was being read', () => {
    const lane = new Lane('i');
    lane.hand(owed('a'), true, 0);
    lane.take(T);
    lane.expect(T);
    lane.beginRefill();
    lane.release('a');
    lane.refill([owed('a')], undefined);
    expect(lane.take(T)).to.equal(undefined);
  });

  it('leaves to the table what may have been read from it before it was handed', () => {
    const lane = new Lane('i');
    const since = performance.now();
    lane.expect(T);
    lane.beginRefill();
    lane.hand(owed('a'), true, since);
    lane.refill([owed('a'), owed('b')], undefined);
    lane.hand(owed('b'), true, since);
    expect([lane.take(T)?.id, lane.take(T)?.id, lane.take(T)?.id]).to.deep.equal([
      'a',
      'b',
      undefined,
    ]);
    expect(lane.needsRefill(T)).to.equal(true);
    lane.beginRefill();
    lane.refill([owed('a'), owed('b')], undefined);
    lane.hand(owed('c'), true, performance.now() + 1);
    expect(lane.take(T)?.id).to.equal('c');
  });

  it('leaves the order of one key to the table', () => {
    const lane = new Lane('i');
    lane.hand(owed('a', { orderingKey: 'k' }), true, 0);
    expect(lane.take(T)).to.equal(undefined);
    expect(lane.needsRefill(T)).to.equal(true);
  });

  it('spends its turn: eight first attempts, two retries or replays, fewer large ones', () => {
    const turn = (deliveries: OwedDelivery[], bytes = 0) => {
      const lane = new Lane('i');
      for (const delivery of deliveries) lane.hand(delivery, true, 0);
      lane.beginTurn();
      let taken = 0;
      while (lane.hasCredit && lane.take(T)) {
        taken++;
        lane.charge(bytes);
      }
      return taken;
    };
    const many = (more: Partial<OwedDelivery>) =>
      Array.from({ length: 20 }, (_, i) => owed(String(i), more));
    expect(turn(many({}))).to.equal(8);
    expect(turn(many({ attempts: 1 }))).to.equal(2);
    expect(turn(many({ replayId: 'r' }))).to.equal(2);
    expect(turn(many({}), 192 * 1024)).to.equal(2);
  });

  it('is slow when what it sent first has not been answered', () => {
    const lane = new Lane('i');
    lane.hand(owed('a'), true, 0);
    lane.take(T);
    expect(lane.isSlow(T + SLOW_MS)).to.equal(false);
    expect(lane.isSlow(T + SLOW_MS + 1)).to.equal(true);
    lane.ended('a');
    expect(lane.isSlow(T + 10 * SLOW_MS)).to.equal(false);
  });
});

describe('the timeline', () => {
  it('gives what is due in the order of time, and nothing before', () => {
    const timeline = new Timeline<number>();
    const times = Array.from({ length: 500 }, (_, i) => (i * 7919) % 1_000);
    for (const at of times) timeline.add(at, at);
    const taken: number[] = [];
    for (let at = timeline.takeDue(700); at !== undefined; at = timeline.takeDue(700))
      taken.push(at);
    expect(taken).to.deep.equal(times.filter((at) => at <= 700).sort((a, b) => a - b));
    expect(timeline.nextAt).to.be.greaterThan(700);
  });
});

describe('a delivery that was ended while it was under way, and is owed again by a replay', () => {
  const again = owed('a', { replayId: 'replay' });

  function taken(): Lane {
    const lane = new Lane('i');
    lane.hand(owed('a'), true, T);
    lane.take(T);
    return lane;
  }

  it('is looked for once what came of the first is recorded', () => {
    const lane = taken();
    lane.beginRefill();
    lane.refill([again], undefined);
    expect(lane.inHand).to.equal(0);
    lane.ended('a');
    expect(lane.needsRefill(T)).to.equal(false);
    lane.release('a');
    expect(lane.needsRefill(T)).to.equal(true);
  });

  it('is taken in hand if that was recorded while the table was read', () => {
    const lane = taken();
    lane.beginRefill();
    lane.release('a');
    lane.refill([owed('a'), again], undefined);
    expect(lane.take(T)).to.equal(again);
    expect(lane.inHand).to.equal(0);
  });
});
