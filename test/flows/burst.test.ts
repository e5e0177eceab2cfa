// More events at once than anybody should have in hand.
import { expect } from 'chai';
import { installAddon, PUSH } from '../helpers/installed-addon.ts';
import { type RunningHost, startHost } from '../helpers/start-host.ts';

const EVENTS = 6_000;
const AT_ONCE = 500;

describe('a burst of events for one add-on', () => {
  let running: RunningHost;

  before(async () => {
    running = await startHost();
  });
  after(() => running.stop());

  it('reaches it, all of it and each once, and keeps no other waiting', async () => {
    const busy = await installAddon(running);
    const other = await installAddon(running, {
      descriptor: { key: 'other' },
      context: 'elsewhere',
    });
    for (let i = 0; i < EVENTS; i += AT_ONCE) {
      await Promise.all(Array.from({ length: AT_ONCE }, () => running.host.publish(PUSH)));
    }
    await running.host.publish({ ...PUSH, context: 'elsewhere' });
    await other.addon.waitFor('/hook');
    const meanwhile = busy.addon.to('/hook').length;
    await busy.addon.waitFor('/hook', EVENTS);
    expect(meanwhile).to.be.below(EVENTS);
    const ids = busy.addon.to('/hook').map(({ headers }) => headers['webhook-id']);
    expect(new Set(ids).size).to.equal(EVENTS);
    for (const { addon } of [busy, other]) await addon.stop();
  }).timeout(60_000);
});
