// What others have made due for an installation of this process comes by word of theirs, and stands in the table too:
// it is sent once, by whichever way it comes first.
//
// Seen red: word of what was recorded while it was read, of what is under way, and of what was read from the table.
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import type { FoundWork } from '../../src/store/engine-store.ts';
import type { OwedDelivery } from '../../src/store/rows.ts';
import { Engine } from '../../src/webhooks/engine.ts';
import { type InstalledAddon, installAddon, PUSH } from '../helpers/installed-addon.ts';
import { type RunningHost, startHost } from '../helpers/start-host.ts';
import { until } from '../helpers/until.ts';

describe('an engine that hears of what others have made due', () => {
  let running: RunningHost;
  let installed: InstalledAddon;
  let engine: Engine;
  let owed: OwedDelivery[];
  let isMine: boolean;
  let recorded: number;

  beforeEach(async () => {
    running = await startHost({ paused: true, random: () => 0 });
    installed = await installAddon(running);
    const { parts } = running.host;
    const { store, settings } = parts;
    for (let i = 0; i < 3; i++) await running.operator('POST', '/events', PUSH);
    // As another process does it.
    ({ owed } = await store.events.fanOut(10, settings.clock.now(), 60_000));
    expect(owed).to.have.length(3);
    isMine = true;
    recorded = 0;
    const { record } = store.deliveries;
    engine = new Engine({
      store: {
        ...store,
        deliveries: {
          ...store.deliveries,
          async record(results) {
            await record(results);
            recorded += results.attempts.length;
          },
        },
      },
      attempts: parts.openAttempts({ lifetime: undefined }, () => {}),
      clock: settings.clock,
      random: settings.random,
      log: settings.log,
      observer: { attempted() {} },
      notice: async () => undefined,
      onCallsOwed() {},
      share: { isHeld: () => true, includes: () => isMine },
    });
    engine.start();
  });
  afterEach(async () => {
    await engine.stop();
    await running.stop();
    await installed.addon.stop();
  });

  const found = (): FoundWork => ({ owed, installationIds: [], hasMore: false });
  const came = () => installed.addon.to('/hook').length;
  const untilRecorded = () => until(() => recorded === 3, 'all to be recorded');
  async function expectEachOnce(): Promise<void> {
    await untilRecorded();
    await sleep(100);
    expect(came()).to.equal(3);
  }

  it('sends it', async () => {
    expect(await engine.hear(async () => found())).to.equal(false);
    await expectEachOnce();
  });

  it('sends once what it has read from the table, and recorded, before it has the word', async () => {
    await engine.hear(async () => {
      engine.expect(installed.installation.id);
      await untilRecorded();
      await sleep(20);
      return found();
    });
    await expectEachOnce();
  });

  it('sends once what is under way', async () => {
    const answers: (() => void)[] = [];
    installed.addon.respond = (_call, response) =>
      void answers.push(() => response.writeHead(204).end());
    engine.expect(installed.installation.id);
    await until(() => answers.length === 3, 'all to be under way');
    await engine.hear(async () => found());
    await sleep(100);
    for (const answer of answers) answer();
    await expectEachOnce();
  });

  it('sends once what it is reading from the table', async () => {
    engine.expect(installed.installation.id);
    await engine.hear(async () => found());
    await expectEachOnce();
  });

  it('lets go of what is to be handed over, when nothing is under way there any more', async () => {
    const answers: (() => void)[] = [];
    const { addon, installation } = installed;
    addon.respond = (_call, response) => void answers.push(() => response.writeHead(503).end());
    await engine.hear(async () => found());
    await until(() => answers.length === 3, 'all to be under way');
    isMine = false;
    engine.letGo();
    expect(engine.lingering()).to.deep.equal([installation.id]);
    for (const answer of answers) answer();
    await untilRecorded();
    expect(engine.lingering()).to.deep.equal([]);
    // They are due again after a second.
    await sleep(1_300);
    expect(came()).to.equal(3);
    expect([...engine.lanes]).to.deep.equal([]);
  });

  it('sends nothing of what is not of its share any more', async () => {
    isMine = false;
    await engine.hear(async () => found());
    await sleep(100);
    expect(came()).to.equal(0);
    expect([...engine.lanes]).to.deep.equal([]);
  });
});
