// The explanation of an event in a context with thousands of installations. Without a time in it: that it comes to an
// end, in pages, and that a page costs as many queries for two hundred as for one.
import Database from 'better-sqlite3';
import { expect } from 'chai';
import pg from 'pg';
import { newId } from '../../src/core/ids.ts';
import { sha256 } from '../../src/core/secrets.ts';
import { openStore } from '../../src/store/open-store.ts';
import type { Store } from '../../src/store/store.ts';
import { PUSH } from '../helpers/installed-addon.ts';
import { ON_POSTGRES } from '../helpers/new-database.ts';
import { type RunningHost, startHost } from '../helpers/start-host.ts';

const INSTALLATIONS = 2_000;
/** Every fifth asked for another event only. */
const UNSUBSCRIBED = INSTALLATIONS / 5;

describe('the explanation of an event among thousands of installations', function () {
  this.timeout(120_000);
  let running: RunningHost;
  let store: Store;
  let id: string;

  before(async () => {
    running = await startHost({ paused: true });
    ({ store } = running.host.parts);
    // As many at once as a store has connections for.
    for (let i = 0; i < INSTALLATIONS; i += 8)
      await Promise.all(Array.from({ length: 8 }, (_, k) => install(i + k)));
    ({ id } = (await running.operator('POST', '/events', PUSH)).json);
    const now = Date.now();
    while ((await store.events.fanOut(64, now, 3_600_000)).events > 0);
    const { items } = await store.deliveries.list({ eventId: id, limit: 300 });
    for (const { installationId } of items.slice(0, 100)) {
      const [delivery] = (await store.deliveries.window(installationId, Date.now(), 1)).due;
      await store.deliveries.record({
        attempts: [
          {
            delivery: delivery!,
            number: 1,
            at: Date.now(),
            durationMs: 1,
            outcome: 'delivered',
            status: 204,
            reason: null,
            message: null,
            responseExcerpt: null,
            url: '',
            withheld: [],
            nextDueAt: null,
          },
        ],
      });
    }
  });
  after(() => running.stop());

  /** As a handshake leaves it; no add-on is called. */
  async function install(i: number): Promise<void> {
    const at = Date.now();
    const [installationId, handshakeId] = [newId(), newId()];
    await store.installations.beginHandshake({
      id: handshakeId,
      installationId,
      expectedEpoch: null,
      addonKey: `addon-${i}`,
      context: 'acme',
      clientKey: `mck_${i}`,
      oauthClientId: `mcl_${i}`,
      oauthSecretHash: sha256(String(i)),
      grantId: newId(),
      scopes: ['repository'],
      resources: null,
      descriptorUrl: null,
      baseUrl: 'https://addon.example',
      descriptor: '{}',
      descriptorDigest: '',
      candidateSecrets: '',
      holder: newId(),
      at,
      deadline: at + 60_000,
    });
    const isSubscribed = i % 5 !== 0;
    const webhookId = newId();
    await store.installations.acceptHandshake(handshakeId, {
      at,
      webhooks: [
        {
          id: webhookId,
          installationId,
          event: isSubscribed ? 'repo:push' : 'repo:fork',
          url: 'https://addon.example/hook',
          since: at,
          until: null,
          offSince: null,
          sinceSeq: 0,
        },
      ],
      subscriptions: isSubscribed ? [{ eventType: 'repo:push', webhookId }] : [],
    });
  }

  async function readAll(query: string): Promise<{ state: string; installationId: string }[]> {
    const found = [];
    for (let after = ''; ; ) {
      const page = await running.operator('GET', `/events/${id}/explanation?${query}${after}`);
      expect(page.status, page.text).to.equal(200);
      found.push(...page.json.items);
      if (page.json.next === null) return found;
      after = `&after=${page.json.next}`;
    }
  }

  it('has every one of them once, whatever the pages, and sums them up', async () => {
    const first = (await running.operator('GET', `/events/${id}/explanation?limit=1`)).json;
    expect(first.summary).to.deep.equal({
      delivered: 100,
      owed: INSTALLATIONS - UNSUBSCRIBED - 100,
      failed: 0,
      dropped: 0,
      notSent: UNSUBSCRIBED,
    });
    const all = await readAll('limit=200');
    expect(new Set(all.map(({ installationId }) => installationId)).size).to.equal(INSTALLATIONS);
    expect(all).to.have.length(INSTALLATIONS);
    for (const state of ['delivered', 'notSent']) {
      const some = await readAll(`limit=150&state=${state}`);
      expect(some).to.deep.equal(all.filter((item) => item.state === state));
      expect(some).to.have.length(first.summary[state]);
    }
  });

  it('asks the database as often for two hundred as for one', async () => {
    let queries = 0;
    const { prototype, names } = querying();
    const methods = names.map((name) => [name, prototype[name]!] as const);
    const reader = openStore(running.database);
    const event = (await reader.events.find(id))!;
    const count = async (limit: number) => {
      const before = queries;
      const page = await reader.explanations.outcomes(event, { limit });
      const ids = page.map(({ installationId }) => installationId);
      expect(await reader.explanations.facts(event, ids)).to.have.length(limit);
      return queries - before;
    };
    try {
      for (const [name, method] of methods) prototype[name] = counting(method);
      expect(await count(200))
        .to.equal(await count(1))
        .and.above(5);
    } finally {
      Object.assign(prototype, Object.fromEntries(methods));
      await reader.close();
    }

    function counting(method: Method): Method {
      return function (this: unknown, ...args: unknown[]) {
        queries++;
        return method.apply(this, args);
      };
    }
  });
});

type Method = (this: unknown, ...args: unknown[]) => unknown;

/** What every query goes through, and the names of its methods. */
function querying(): { prototype: Record<string, Method>; names: string[] } {
  if (ON_POSTGRES)
    return {
      prototype: pg.Client.prototype as unknown as Record<string, Method>,
      names: ['query'],
    };
  const db = new Database(':memory:');
  const prototype = Object.getPrototypeOf(db.prepare('SELECT 1'));
  db.close();
  return { prototype, names: ['all', 'get'] };
}
