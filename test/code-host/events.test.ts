// What is written through the REST API is told to the add-ons whose scopes cover it, and to no other.
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { type InstalledAddon, installAddon } from '../helpers/installed-addon.ts';
import { DOORS, furnish, go, type World } from './doors.ts';
import { type RunningCodeHost, runCodeHost } from './run-code-host.ts';

const { events } = JSON.parse(readFileSync('platforms/bitbucket.json', 'utf8')) as {
  events: Record<string, { scope: string }>;
};
/** The sample does not do these. */
const NEVER = [
  'repo:fork',
  'repo:imported',
  'repo:transfer',
  'repo:branch_created',
  'repo:branch_deleted',
];
const LISTENERS = ['repository', 'issue', 'pullrequest', 'wiki', 'repository:admin'];
const writes = DOORS.filter(({ event }) => event !== undefined);

describe('events of the sample code host', () => {
  let running: RunningCodeHost;
  let world: World;
  let writer: InstalledAddon;
  const listeners = new Map<string, InstalledAddon>();

  before(async () => {
    running = await runCodeHost();
    world = await furnish(running);
    for (const scope of LISTENERS) {
      const descriptor = { key: `hears-${scope.replace(':', '-')}`, scopes: [scope] };
      listeners.set(scope, await installAddon(running, { descriptor }));
    }
    writer = await installAddon(running, {
      descriptor: {
        key: 'writer',
        scopes: ['repository:write', 'repository:admin', 'issue:write', 'pullrequest:write'],
        modules: {},
      },
    });
  });
  after(async () => {
    await running.stop();
    for (const { addon } of [...listeners.values(), writer]) await addon.stop();
  });

  it('are all that the platform has, but for what the sample does not do', () => {
    const published = writes.map(({ event }) => event!);
    expect(new Set([...published, ...NEVER])).to.deep.equal(new Set(Object.keys(events)));
  });

  for (const door of writes) {
    const { scope } = events[door.event!]!;
    const hears = LISTENERS.filter(
      (listener) => listener === scope || (scope === 'repository' && listener === 'pullrequest'),
    );

    it(`${door.method} ${door.path} tells ${hears.join(' and ')} of ${door.event}`, async () => {
      const since = new Date().toISOString();
      const answer = await go(door, world, await writer.token());
      expect(answer.status, answer.text).to.equal(door.answers);

      const deliveries = await settled(door.event!, since);
      expect(deliveries.map(({ addonKey }) => addonKey)).to.have.members(
        hears.map((listener) => `hears-${listener}`),
      );
      for (const listener of hears) {
        const { addon } = listeners.get(listener)!;
        const { json } = addon.to('/hook').findLast((call) => call.json.event === door.event)!;
        expect(json.data.actor).to.include({ type: 'app_user', nickname: 'writer' });
        expect(json.data.repository.full_name).to.match(/^acme\/[\w-]+$/);
        expect(json.data.repository).to.have.property('uuid');
      }
    });
  }

  it('reach an installation that is limited to repositories from those only', async () => {
    const limited = await Promise.all(
      ['site', 'docs'].map((name) =>
        installAddon(running, {
          descriptor: { key: `hears-${name}`, scopes: ['issue'] },
          request: { resources: [`acme/${name}`] },
        }),
      ),
    );
    const since = new Date().toISOString();
    await running.rest('POST', '/2.0/repositories/acme/docs/issues', { title: 'A typo' });
    const deliveries = await settled('issue:created', since);
    expect(deliveries.map(({ addonKey }) => addonKey)).to.have.members([
      'hears-issue',
      'hears-docs',
    ]);
    for (const { addon } of limited) await addon.stop();
  });

  it('are not published when the write is refused or wrong', async () => {
    const count = async () => (await running.operator('GET', '/deliveries')).json.items.length;
    const before = await count();
    const site = '/2.0/repositories/acme/site';
    const refused = [
      await running.rest('POST', `${site}/issues`, { title: 'No' }, await running.token('wiki')),
      await running.rest('POST', `${site}/issues`, { title: '' }),
      await running.rest('PUT', `${site}/issues/999`, { state: 'closed' }),
      await running.rest('PUT', `${site}/issues/1`, { state: 'asleep' }),
      await running.rest('POST', `${site}/issues/999/comments`, { content: { raw: 'No' } }),
      await running.rest('POST', `${site}/pullrequests`, {
        title: 'No',
        source: { branch: { name: 'nowhere' } },
      }),
      await running.rest('POST', `${site}/src`, new URLSearchParams({ '../out': 'no' })),
      await running.rest('POST', `${site}/src`, new URLSearchParams({ a: 'no', branch: 'a..b' })),
      await running.rest('POST', '/2.0/repositories/acme/docs', {}),
      await running.rest('DELETE', site),
    ];
    expect(refused.map(({ status }) => status)).to.deep.equal([
      403, 400, 404, 400, 404, 400, 400, 400, 400, 400,
    ]);
    expect(await count()).to.equal(before);
  });

  /** Every delivery of an event type, once none is under way. */
  async function settled(type: string, since: string): Promise<{ addonKey: string }[]> {
    const end = Date.now() + 10_000;
    for (;;) {
      const { json } = await running.operator('GET', `/deliveries?since=${since}`);
      const found = json.items.filter(
        (delivery: { eventType: string }) => delivery.eventType === type,
      );
      const isDone = found.every((delivery: { state: string }) => delivery.state === 'delivered');
      if (found.length > 0 && isDone) return found;
      if (Date.now() > end) throw new Error(`${type} was not delivered: ${JSON.stringify(found)}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
});
