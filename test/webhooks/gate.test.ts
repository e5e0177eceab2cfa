// The gate by itself: it stands behind the fan-out, which hides most of this from whole-host tests.
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { planSubscriptions } from '../../src/host/subscriptions.ts';
import { compilePlatform } from '../../src/platform/compile.ts';
import type { EventRow, Recipient } from '../../src/store/rows.ts';
import { decideGate, type GateDecision } from '../../src/webhooks/gate.ts';

const platform = compilePlatform(readFileSync('platforms/bitbucket.json', 'utf8'));

interface Facts {
  event?: object;
  installation?: object;
  grant?: object | null;
  webhook?: object;
  allowed?: 'now';
}

function decide(more: Facts): GateDecision {
  const event = {
    id: 'e',
    type: 'repo:push',
    context: 'acme',
    resource: 'acme/site',
    createdAt: 100,
    ...more.event,
  } as EventRow;
  const recipient = {
    installation: { id: 'i', state: 'enabled', context: 'acme', ...more.installation },
    grant:
      more.grant === null ? undefined : { scopes: ['repository'], resources: null, ...more.grant },
    webhooks: new Map([
      ['w', { id: 'w', sinceSeq: 50, until: null, offSince: null, ...more.webhook }],
    ]),
  } as Recipient;
  const delivery = { webhookId: 'w', eventSeq: 100, allowed: more.allowed ?? null };
  return decideGate(event, recipient, delivery, platform);
}

describe('the gate', () => {
  it('lets pass what is granted', () => {
    expect(decide({}).ok).to.equal(true);
    expect(decide({ grant: { resources: ['acme/site'] } }).ok).to.equal(true);
  });

  const rows: [title: string, Facts, reason: string][] = [
    ['an event of another context', { event: { context: 'other' } }, 'resource_not_granted'],
    [
      'an event from before the installation',
      { webhook: { sinceSeq: 100 } },
      'before_installation',
    ],
    ['a webhook that is no longer declared', { webhook: { until: 60 } }, 'webhook_removed'],
    ['a webhook that was switched off', { webhook: { offSince: 60 } }, 'webhook_off'],
    ['an uninstalled add-on', { installation: { state: 'uninstalled' } }, 'uninstalled'],
    ['a disabled installation', { installation: { state: 'disabled' } }, 'disabled'],
    ['an installation under way', { installation: { state: 'pending' } }, 'not_installed'],
    ['an installation without a grant', { grant: null }, 'not_installed'],
    ['a scope that is not granted', { grant: { scopes: ['issue'] } }, 'scope_not_granted'],
    [
      'a resource that is not chosen',
      { grant: { resources: ['acme/other'] } },
      'resource_not_granted',
    ],
    [
      'no resource where some are chosen',
      { event: { resource: null }, grant: { resources: ['acme/site'] } },
      'resource_not_granted',
    ],
    ['an event type that is gone', { event: { type: 'repo:gone' } }, 'event_type_unknown'],
  ];
  for (const [title, more, reason] of rows) {
    it(`stops ${title}`, () => {
      expect(decide(more)).to.include({ ok: false, reason });
    });
  }
});

describe('the gate in front of a replay of what is allowed now', () => {
  it('passes over nothing but the time of the installation', () => {
    const early = { webhook: { since: 101 }, allowed: 'now' as const };
    expect(decide(early).ok).to.equal(true);
    expect(decide({ ...early, grant: { scopes: ['issue'] } }).ok).to.equal(false);
    expect(decide({ ...early, event: { context: 'other' } }).ok).to.equal(false);
    expect(decide({ ...early, installation: { state: 'disabled' } }).ok).to.equal(false);
    expect(decide({ ...early, grant: { resources: [] } }).ok).to.equal(false);
  });
});

describe('subscriptions', () => {
  it('name only event types that the scopes cover, for * and for named webhooks', () => {
    const webhooks = [
      { id: 'all', event: '*', url: 'https://a.example/all' },
      { id: 'named', event: 'issue:created', url: 'https://a.example/issue' },
    ];
    const types = planSubscriptions(webhooks, ['repository'], platform).map(
      ({ eventType }) => eventType,
    );
    expect(types).to.include('repo:push');
    expect(types.filter((type) => !type.startsWith('repo:'))).to.deep.equal([]);
  });
});
