// Every reason there is, from logs made by hand: what was true when the event was published, since when it was not, and
// whether it would be sent today. Seen red: with webhooks out of force, switched off later, or counted before those that
// are on; with the ends of moments counted in, or no changes looked for after the event; with scopes that imply nothing.
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { compilePlatform } from '../../src/platform/compile.ts';
import type { ExplainedEvent, ToldDelivery, ToldFacts } from '../../src/store/explanation-rows.ts';
import type { GrantRow, InstallationRow, LaneState, WebhookRow } from '../../src/store/rows.ts';
import { type Explanation, explain, stateOf } from '../../src/webhooks/explain.ts';
import { describe as describeExplanation } from '../../src/webhooks/explain-words.ts';
import { wellLane } from '../../src/webhooks/health.ts';

const platform = compilePlatform(readFileSync('platforms/bitbucket.json', 'utf8'));

/** Published then; explained at NOW. */
const T = 1_000;
const NOW = 2_000;
const iso = (ms: number) => new Date(ms).toISOString();

type Own = Partial<Omit<ToldFacts, 'installation'>> & { installation?: Partial<InstallationRow> };

function factsOf({ installation, ...own }: Own = {}): ToldFacts {
  return {
    installation: {
      id: 'i',
      context: 'acme',
      state: 'enabled',
      ...installation,
    } as InstallationRow,
    states: [{ state: 'enabled', since: 100, until: null }],
    grants: [grant()],
    webhooks: [webhook()],
    subscribedSince: 100,
    deliveries: [],
    lane: undefined,
    isFanOutAhead: false,
    ...own,
  };
}

function grant(own: Partial<GrantRow> = {}): GrantRow {
  return { scopes: ['repository'], resources: null, since: 100, until: null, ...own } as GrantRow;
}

function webhook(own: Partial<WebhookRow> = {}): WebhookRow {
  return {
    id: 'w',
    installationId: 'i',
    event: 'repo:push',
    url: 'https://addon.example/hook',
    since: 100,
    until: null,
    offSince: null,
    sinceSeq: 0,
    ...own,
  };
}

function delivery(own: Partial<ToldDelivery> = {}): ToldDelivery {
  return {
    id: 'd',
    webhookId: 'w',
    state: 'pending',
    attempts: 0,
    dueAt: T,
    expiresAt: 9_000,
    behind: null,
    last: null,
    withheld: [],
    ...own,
  };
}

function ended(
  state: 'delivered' | 'failed' | 'dropped',
  last: Partial<NonNullable<ToldDelivery['last']>> = {},
  own: Partial<ToldDelivery> = {},
): ToldDelivery {
  const attempts = state === 'dropped' ? 0 : 1;
  return delivery({
    state,
    attempts,
    dueAt: null,
    expiresAt: null,
    last: { number: attempts, at: 1_100, status: null, reason: null, message: null, ...last },
    ...own,
  });
}

const EVENT: ExplainedEvent = {
  id: 'e',
  type: 'repo:push',
  context: 'acme',
  resource: 'acme/site',
  createdAt: T,
};

function explained(own: Own, event: Partial<ExplainedEvent> = {}): Explanation & { says: string } {
  const facts = factsOf(own);
  const published = { ...EVENT, ...event };
  const explanation = explain(published, facts, platform, NOW);
  return {
    ...explanation,
    says: describeExplanation(explanation, { event: published, facts, platform }),
  };
}

interface NotSent {
  title: string;
  facts: Own;
  event?: Partial<ExplainedEvent>;
  reason: string;
  since?: number;
  until?: number;
  /** Whether it would be sent today. */
  today: boolean;
  says: RegExp | string;
}

const notSent: NotSent[] = [
  {
    title: 'an installation in another context',
    facts: { installation: { context: 'other' } },
    reason: 'other_context',
    today: false,
    says: 'The event happened in "acme"; this is an installation in "other".',
  },
  {
    title: 'one whose handshake never came to its end',
    facts: { states: [], grants: [], webhooks: [] },
    reason: 'not_installed',
    today: false,
    says: 'It was never installed completely.',
  },
  {
    title: 'one that was installed after it',
    facts: {
      states: [{ state: 'enabled', since: 1_500, until: null }],
      grants: [grant({ since: 1_500 })],
      webhooks: [webhook({ since: 1_500 })],
    },
    reason: 'installed_later',
    until: 1_500,
    today: true,
    says: `It was installed only at ${iso(1_500)}, after the event.`,
  },
  {
    title: 'one that was away, and is back',
    facts: {
      states: [
        { state: 'enabled', since: 100, until: 500 },
        { state: 'enabled', since: 1_500, until: null },
      ],
      grants: [grant({ until: 500 }), grant({ since: 1_500 })],
      webhooks: [webhook({ until: 500 }), webhook({ since: 1_500 })],
    },
    reason: 'uninstalled',
    since: 500,
    until: 1_500,
    today: true,
    says: `It was uninstalled at ${iso(500)} and installed again only at ${iso(1_500)}.`,
  },
  {
    title: 'one that was uninstalled before the fan-out came to it',
    facts: {
      states: [{ state: 'enabled', since: 100, until: 1_001 }],
      grants: [grant({ until: 1_001 })],
      webhooks: [webhook({ until: 1_001 })],
    },
    reason: 'uninstalled',
    since: 1_001,
    today: false,
    says: /^It was uninstalled at \S+\. That was after the event was published, and before it was fanned out\.$/,
  },
  {
    title: 'one that was disabled, and is still',
    facts: {
      states: [
        { state: 'enabled', since: 100, until: 700 },
        { state: 'disabled', since: 700, until: null },
      ],
    },
    reason: 'disabled',
    since: 700,
    today: false,
    says: `It was disabled at ${iso(700)}.`,
  },
  {
    title: 'one that was disabled then only',
    facts: {
      states: [
        { state: 'enabled', since: 100, until: 700 },
        { state: 'disabled', since: 700, until: 1_200 },
        { state: 'enabled', since: 1_200, until: null },
      ],
    },
    reason: 'disabled',
    since: 700,
    until: 1_200,
    today: true,
    says: `It was disabled at ${iso(700)} and enabled again only at ${iso(1_200)}.`,
  },
  {
    title: 'one whose descriptor declares no webhook for it',
    facts: { webhooks: [webhook({ event: 'issue:created' })] },
    reason: 'not_subscribed',
    today: false,
    says: 'Its descriptor declares no webhook for "repo:push".',
  },
  {
    title: 'one whose descriptor declares a webhook for it only since',
    facts: { webhooks: [webhook({ since: 1_300 })] },
    reason: 'webhook_declared_later',
    until: 1_300,
    today: true,
    says: `Its descriptor declares a webhook for "repo:push" only since ${iso(1_300)}.`,
  },
  {
    title: 'one whose descriptor declared a webhook for it until then',
    facts: { webhooks: [webhook({ until: 800 })] },
    reason: 'webhook_removed',
    since: 800,
    today: false,
    says: `Its descriptor stopped declaring a webhook for "repo:push" at ${iso(800)}.`,
  },
  {
    title: 'a webhook that is switched off',
    facts: { webhooks: [webhook({ offSince: 900 })] },
    reason: 'webhook_off',
    since: 900,
    today: false,
    says: `It answered 410 at ${iso(900)}, which switched the webhook off; installing it again switches it on.`,
  },
  {
    title: 'a webhook that was switched off then, and on again since',
    facts: { webhooks: [webhook({ offSince: 900, until: 1_400 }), webhook({ since: 1_400 })] },
    reason: 'webhook_off',
    since: 900,
    until: 1_400,
    today: true,
    says: /installing it again switches it on, which happened at 1970-01-01T00:00:01\.400Z\.$/,
  },
  {
    title: 'a scope that was never granted, through a wildcard',
    facts: { grants: [grant({ scopes: ['issue'] })], webhooks: [webhook({ event: '*' })] },
    reason: 'scope_not_granted',
    today: false,
    says: '"repo:push" needs scope "repository", which was never granted.',
  },
  {
    title: 'a scope that was granted later, by one that implies it',
    facts: {
      grants: [
        grant({ scopes: [], until: 1_600 }),
        grant({ scopes: ['repository:write'], since: 1_600 }),
      ],
    },
    reason: 'scope_granted_later',
    until: 1_600,
    today: true,
    says: /which was granted only at 1970-01-01T00:00:01\.600Z, after the event\.$/,
  },
  {
    title: 'a scope that had been revoked',
    facts: { grants: [grant({ until: 600 }), grant({ scopes: ['issue'], since: 600 })] },
    reason: 'scope_revoked',
    since: 600,
    today: false,
    says: `"repo:push" needs scope "repository", which was revoked at ${iso(600)}.`,
  },
  {
    title: 'a scope that was away then',
    facts: {
      grants: [
        grant({ until: 600 }),
        grant({ scopes: ['issue'], since: 600, until: 1_600 }),
        grant({ since: 1_600 }),
      ],
    },
    reason: 'scope_revoked',
    since: 600,
    until: 1_600,
    today: true,
    says: /revoked at \S+ and granted again only at 1970-01-01T00:00:01\.600Z\.$/,
  },
  {
    title: 'a scope that was revoked before the fan-out came to it',
    facts: { grants: [grant({ until: 1_002 }), grant({ scopes: ['issue'], since: 1_002 })] },
    reason: 'scope_revoked',
    since: 1_002,
    today: false,
    says: /That was after the event was published, and before it was fanned out\.$/,
  },
  {
    title: 'a resource that was never chosen',
    facts: { grants: [grant({ resources: ['acme/other'] })] },
    reason: 'resource_not_granted',
    today: false,
    says: 'The resource "acme/site" was not chosen for it.',
  },
  {
    title: 'a resource that was chosen later, with all others',
    facts: {
      grants: [grant({ resources: ['acme/other'], until: 1_700 }), grant({ since: 1_700 })],
    },
    reason: 'resource_granted_later',
    until: 1_700,
    today: true,
    says: `The resource "acme/site" was chosen for it only at ${iso(1_700)}, after the event.`,
  },
  {
    title: 'a resource that had been taken away',
    facts: {
      grants: [
        grant({ resources: ['acme/site'], until: 400 }),
        grant({ resources: ['acme/other'], since: 400 }),
      ],
    },
    reason: 'resource_revoked',
    since: 400,
    today: false,
    says: `The resource "acme/site" was taken from it at ${iso(400)}.`,
  },
  {
    title: 'an event without a resource, to one that is limited to some',
    facts: { grants: [grant({ resources: ['acme/site'] })] },
    event: { resource: null },
    reason: 'resource_missing',
    today: false,
    says: 'The event names no resource, and this installation is limited to some.',
  },
  {
    title: 'an event type that the platform has no longer',
    facts: { webhooks: [webhook({ event: '*' })] },
    event: { type: 'repo:gone' },
    reason: 'event_type_unknown',
    today: false,
    says: 'The platform no longer has the event type "repo:gone".',
  },
  {
    title: 'one that the platform definition tells of it only since',
    facts: { subscribedSince: 1_800 },
    reason: 'subscribed_later',
    until: 1_800,
    today: true,
    says: `The platform definition tells it of "repo:push" only since ${iso(1_800)}.`,
  },
  {
    title: 'one whose log is not kept any more',
    facts: {},
    reason: 'log_expired',
    today: true,
    says: 'It was granted, so it was owed; what came of it is past the retention of the log.',
  },
];

describe('an event that was not sent', () => {
  for (const { title, facts, event, reason, since, until, today, says } of notSent) {
    it(`to ${title}: ${reason}`, () => {
      const found = explained(facts, event);
      expect(found).to.deep.include({
        state: 'notSent',
        wait: null,
        because: { reason, since: since ?? null, until: until ?? null },
      });
      expect(found.today.wouldBeSent).to.equal(today);
      if (typeof says === 'string') expect(found.says).to.equal(says);
      else expect(found.says).to.match(says);
    });
  }

  it('is explained by the webhook that is on, where another is off', () => {
    const { because } = explained({
      webhooks: [webhook({ offSince: 900 }), webhook({ id: 'all', event: '*' })],
      grants: [grant({ scopes: ['issue'] })],
    });
    expect(because!.reason).to.equal('scope_not_granted');
  });

  it('counts a moment to what begins then, not to what ends then', () => {
    const at = (since: number) => ({ states: [{ state: 'enabled' as const, since, until: null }] });
    expect(explained(at(T)).because!.reason).to.equal('log_expired');
    expect(explained(at(T + 1)).because!.reason).to.equal('installed_later');
    const until = { states: [{ state: 'enabled' as const, since: 100, until: T }] };
    expect(explained(until).because!.reason).to.equal('uninstalled');
  });
});

describe('an event that is owed', () => {
  const lane = (own: Partial<LaneState>): LaneState => ({ ...wellLane('i'), ...own });
  const failed = {
    number: 2,
    at: 1_900,
    status: null,
    reason: 'address_private',
    message: '"addon.example" resolves to 10.0.0.7, a private address.',
  };
  const retrying = delivery({ state: 'retrying', attempts: 2, dueAt: 2_500, last: failed });

  const rows: [title: string, facts: Own, wait: object, says: RegExp][] = [
    [
      'waits for the fan-out',
      { isFanOutAhead: true },
      { reason: 'not_fanned_out', until: null },
      /the delivery engine has not come to it yet/,
    ],
    [
      'is due',
      { deliveries: [delivery()] },
      { reason: 'due', until: null },
      /^It is due, and goes as soon as its turn comes\. Owed until 1970-01-01T00:00:09\.000Z\.$/,
    ],
    [
      'is tried again, and says what went wrong',
      { deliveries: [retrying] },
      { reason: 'retrying', until: 2_500 },
      /not before \S+02\.500Z\. Attempt 2 failed: "addon\.example" resolves to 10\.0\.0\.7, a private address\. Owed until/,
    ],
    [
      'waits for an open breaker',
      { deliveries: [retrying], lane: lane({ failingSince: 1_200, openUntil: 3_000 }) },
      { reason: 'breaker_open', since: 1_200, until: 3_000 },
      /^Its endpoint fails since \S+01\.200Z, so that only one at a time is tried, not before \S+03\.000Z\./,
    ],
    [
      'waits for its own retry, where that comes after the breaker’s probe',
      { deliveries: [retrying], lane: lane({ failingSince: 1_200, openUntil: 2_400 }) },
      { reason: 'retrying', until: 2_500 },
      /tried again/,
    ],
    [
      'waits for the probes of a breaker whose time has come',
      {
        deliveries: [delivery()],
        lane: lane({ failingSince: 1_200, openUntil: 1_950, silentUntil: 1_960 }),
      },
      { reason: 'breaker_open', since: 1_200, until: null },
      /only one at a time is tried, as soon as its turn comes/,
    ],
    [
      'waits for the end of a silence',
      { deliveries: [delivery()], lane: lane({ silentUntil: 4_000 }) },
      { reason: 'silenced', until: 4_000 },
      /asked for silence \(Retry-After\): not before \S+04\.000Z/,
    ],
    [
      'is owed to a paused endpoint',
      {
        deliveries: [retrying],
        lane: lane({ failingSince: 200, openUntil: 3_000, pausedAt: 1_300 }),
      },
      { reason: 'paused', since: 1_300, until: 3_000 },
      /^Its webhooks are paused since \S+01\.300Z/,
    ],
    [
      'waits for an earlier one of its order',
      { deliveries: [delivery({ behind: 'earlier' })] },
      { reason: 'behind_another', behind: 'earlier', until: null },
      /waits for event earlier of the same order/,
    ],
    [
      'will be dropped, as things stand',
      {
        deliveries: [retrying],
        grants: [grant({ until: 1_500 }), grant({ scopes: [], since: 1_500 })],
      },
      { reason: 'retrying' },
      /As things stand it will be dropped: "repo:push" needs scope "repository", which was revoked at \S+01\.500Z\.$/,
    ],
  ];
  for (const [title, facts, wait, says] of rows) {
    it(title, () => {
      const found = explained(facts);
      expect(found.state).to.equal('owed');
      expect(found.because).to.equal(null);
      expect(found.wait).to.include(wait);
      expect(found.says).to.match(says);
    });
  }
});

describe('an event that was sent, or was going to be', () => {
  const withheld = [{ pointer: '/actor/email', scope: 'email' }];

  const rows: [title: string, facts: Own, expected: object, says: RegExp][] = [
    [
      'was delivered, without what its scopes do not cover',
      { deliveries: [ended('delivered', { status: 204 }, { withheld })] },
      { state: 'delivered', because: null },
      /^Delivered at \S+01\.100Z, after 1 attempt, without \/actor\/email \(needs "email"\)\.$/,
    ],
    [
      'was delivered without more than a sentence has room for',
      {
        deliveries: [ended('delivered', {}, { withheld: [1, 2, 3, 4].flatMap(() => withheld) })],
      },
      { state: 'delivered', because: null },
      /, without 4 fields \(which need "email"\)\.$/,
    ],
    [
      'failed for good',
      {
        deliveries: [
          ended(
            'failed',
            { number: 12, reason: 'exhausted', message: 'It was the last.' },
            { attempts: 12 },
          ),
        ],
      },
      { state: 'failed', because: null },
      /^Failed at \S+, after 12 attempts: It was the last\.$/,
    ],
    [
      'was dropped since a scope was revoked',
      {
        deliveries: [ended('dropped', { reason: 'scope_not_granted', message: 'Not any more.' })],
        grants: [grant({ until: 1_050 }), grant({ scopes: [], since: 1_050 })],
      },
      { state: 'dropped', because: { reason: 'scope_revoked', since: 1_050, until: null } },
      /^Dropped at \S+01\.100Z: Not any more\. "repo:push" needs .* revoked at \S+01\.050Z\.$/,
    ],
    [
      'was dropped for being owed too long, whatever else holds',
      {
        deliveries: [ended('dropped', { reason: 'expired', message: 'Too long.' })],
        states: [
          { state: 'enabled', since: 100, until: 1_050 },
          { state: 'disabled', since: 1_050, until: null },
        ],
      },
      { state: 'dropped', because: null },
      /^Dropped at \S+: Too long\.$/,
    ],
  ];
  for (const [title, facts, expected, says] of rows) {
    it(title, () => {
      const found = explained(facts);
      expect(found).to.deep.include({ ...expected, wait: null });
      expect(found.says).to.match(says);
    });
  }

  it('to several webhooks is told of the one that is worst off', () => {
    expect(stateOf([], false)).to.equal('notSent');
    expect(stateOf([], true)).to.equal('owed');
    expect(stateOf(['delivered'], false)).to.equal('delivered');
    expect(stateOf(['delivered', 'dropped'], false)).to.equal('dropped');
    expect(stateOf(['dropped', 'failed'], false)).to.equal('failed');
    expect(stateOf(['failed', 'retrying'], false)).to.equal('owed');
    const two = [ended('delivered'), delivery({ id: 'second' })];
    expect(explained({ deliveries: two }).deliveries.map(({ id }) => id)).to.deep.equal([
      'second',
      'd',
    ]);
  });
});
