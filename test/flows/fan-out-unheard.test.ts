// A fan-out whose answer comes late, as over a network: what it owes may be read from the table, sent and recorded before
// the engine hears of it.
//
// Seen red: a lane that does not ask whether it has read the table since; one that is let go while a fan-out is under way.
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { installAddon, PUSH } from '../helpers/installed-addon.ts';
import { startHost } from '../helpers/start-host.ts';

const LATE_MS = 400;

describe('a fan-out that is heard of late', () => {
  it('owes nothing twice that was sent meanwhile', async () => {
    const running = await startHost();
    try {
      const { addon, installation } = await installAddon(running);
      const { events } = running.host.parts.store;
      const fanOut = events.fanOut.bind(events);
      events.fanOut = async (...asked) => {
        const pass = await fanOut(...asked);
        if (pass.owed.length > 0) await sleep(LATE_MS);
        return pass;
      };
      await running.host.publish(PUSH);
      await sleep(LATE_MS / 4);
      running.host.parts.expect(installation.id);
      await addon.waitFor('/hook');
      await sleep(LATE_MS * 1.5);
      expect(addon.to('/hook')).to.have.length(1);
      await addon.stop();
    } finally {
      await running.stop();
    }
  });
});
