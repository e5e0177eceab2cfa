// The ledger itself: books that balance, and one entry changed at a time.
import { expect } from 'chai';
import { type Balance, type Books, balance, type Received } from './ledger.ts';

const T = Date.UTC(2026, 0, 31, 12);

function received(own: Partial<Received> = {}): Received {
  return {
    line: 'received',
    seq: 0,
    addon: 'addon',
    at: T,
    webhookId: 'd1',
    clientKey: 'c1',
    eventId: 'e1',
    eventType: 'repo:push',
    n: 1,
    attempt: 1,
    iat: T / 1_000,
    fault: null,
    secretsKnown: 1,
    secretUsed: 0,
    secretAgeMs: 1_000,
    answer: { line: 'answered', seq: own.seq ?? 0, at: (own.at ?? T) + 5, status: 204 },
    ...own,
  };
}

/** One event to one of two installations, delivered at its second attempt. */
function books(): Books {
  const refused = received({ answer: { line: 'answered', seq: 0, at: T + 5, status: 503 } });
  return {
    published: [
      { n: 1, id: 'e1', again: 'e1', type: 'repo:push', context: 'acme', resource: 'acme/site' },
    ],
    granted: [
      {
        installationId: 'i1',
        clientKey: 'c1',
        context: 'acme',
        eventTypes: ['repo:push'],
        resources: null,
      },
      {
        installationId: 'i2',
        clientKey: 'c2',
        context: 'acme',
        eventTypes: ['repo:push'],
        resources: ['acme/other'],
      },
    ],
    received: [refused, received({ seq: 1, at: T + 1_000, attempt: 2 })],
    listed: [
      {
        id: 'd1',
        installationId: 'i1',
        eventId: 'e1',
        eventType: 'repo:push',
        state: 'delivered',
        reason: null,
        attemptCount: 2,
        nextAttemptAt: null,
      },
    ],
    disturbances: [],
  };
}

/** The names of what does not balance. */
function faultsOf(change: (books: Books) => void): string[] {
  const changed = books();
  change(changed);
  const { duplicates: _, mostPerDisturbance: __, ...faults } = balance(changed);
  return Object.entries(faults).flatMap(([name, found]) => (found.length > 0 ? [name] : []));
}

describe('the ledger of the fault tests', () => {
  it('balances where each event came to whom it was granted', () => {
    expect(faultsOf(() => undefined)).to.deep.equal([]);
  });

  const again = (own: Partial<Received>) => (b: Books) =>
    void b.received.push(received({ seq: 2, attempt: 2, ...own }));
  const rows: [string, (books: Books) => void, (keyof Balance)[]][] = [
    [
      'a delivery the host knows nothing of',
      (b) => {
        b.listed = [];
      },
      ['lost', 'wrong'],
    ],
    [
      'two deliveries of one event to one installation',
      (b) => void b.listed.push({ ...b.listed[0]!, id: 'd2' }),
      ['lost'],
    ],
    [
      'a delivery that never said yes',
      (b) => {
        b.received[1]!.answer = undefined;
      },
      ['neverArrived'],
    ],
    [
      'an end without a reason',
      (b) => {
        b.listed[0]!.state = 'failed';
      },
      ['withoutReason'],
    ],
    [
      'a delivery to a context, scope or resource that was not granted',
      (b) => {
        b.granted[0]!.resources = ['acme/other'];
      },
      ['ungranted'],
    ],
    [
      'a delivery that is owed to somebody else',
      (b) => void b.listed.push({ ...b.listed[0]!, id: 'd2', installationId: 'i2' }),
      ['ungranted'],
    ],
    ['an event nobody published', again({ webhookId: 'd9', eventId: 'e9' }), ['unacknowledged']],
    [
      'a signature that does not verify',
      (b) => {
        b.received[0]!.fault = 'JWT';
      },
      ['wrong'],
    ],
    [
      'another event’s payload',
      (b) => {
        b.received[0]!.n = 2;
      },
      ['wrong'],
    ],
    ['another id for the same delivery', again({ webhookId: 'd2' }), ['wrong']],
    [
      'two ids for one key',
      (b) => {
        b.published[0]!.again = 'e2';
      },
      ['keys'],
    ],
    [
      'one id for two keys',
      (b) => void b.published.push({ ...b.published[0]!, n: 2 }),
      ['wrong', 'keys'],
    ],
    ['a second time after a yes', again({ at: T + 2_000, attempt: 3 }), ['unexplained']],
    ['the same attempt twice', again({ at: T + 2_000, attempt: 1 }), ['unexplained']],
  ];
  for (const [title, change, faults] of rows) {
    it(`names ${title}`, () => {
      expect(faultsOf(change)).to.deep.equal(faults);
    });
  }

  it('explains a second time by a kill shortly after the answer, and by no other', () => {
    const killed = (at: number) => (b: Books) => {
      again({ at: T + 9_000, attempt: 2 })(b);
      b.disturbances = [{ what: 'kill', at, until: at + 50 }];
    };
    const answeredAt = T + 1_005;
    expect(faultsOf(killed(answeredAt + 10))).to.deep.equal([]);
    expect(faultsOf(killed(answeredAt + 3_000))).to.deep.equal(['unexplained']);
    expect(faultsOf(killed(T - 5_000))).to.deep.equal(['unexplained']);
  });
});
