// A replay in the middle of which the host is killed. Seen red: with a cursor that is kept in memory only, and without the
// look for replays when the engine starts.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { operatorOf } from '../../examples/story/operator.ts';
import { openStore } from '../../src/store/open-store.ts';
import { answer, type FakeAddon, fakeAddon } from '../helpers/fake-addon.ts';
import { PUSH } from '../helpers/installed-addon.ts';
import { databaseEnvironment, newDatabase } from '../helpers/new-database.ts';
import { MORTISE, type RunningProcess, startProcess } from '../helpers/process.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';
import { until } from '../helpers/until.ts';

const EVENTS = 150;

describe('a replay, its host killed with kill -9', () => {
  let addon: FakeAddon;
  let host: RunningProcess;
  let folder: string;
  let database: string;

  async function start(): Promise<ReturnType<typeof operatorOf>> {
    host = startProcess(
      [
        ...[MORTISE, 'serve', '--dev', '--platform', 'platforms/bitbucket.json'],
        ...['--port', '0', '--data', folder],
      ],
      databaseEnvironment(database),
    );
    const [, url] = await host.waitFor(/mortise listening on (\S+)/);
    return operatorOf(url!, readFileSync(join(folder, 'operator-token'), 'utf8'));
  }

  beforeEach(async () => {
    addon = await fakeAddon();
    folder = temporaryFolder();
    database = await newDatabase(folder);
  });
  afterEach(async () => {
    await host.kill();
    await addon.stop();
  });

  it('goes on where it stopped: nothing is missing, and nothing that was recorded is sent again', async function () {
    this.timeout(90_000);
    let operator = await start();
    const { status } = await operator('POST', '/installations', {
      descriptorUrl: addon.descriptorUrl,
      context: 'acme',
    });
    expect(status).to.equal(201);
    addon.respond = (_call, response) =>
      response.writeHead(500, { 'webhook-delivery': 'abort-message' }).end();
    for (let i = 0; i < EVENTS; i++) await operator('POST', '/events', PUSH);
    const ids = await until(async () => {
      const { json } = await operator('GET', '/deliveries?state=failed&limit=200');
      return json.items.length === EVENTS && json.items.map(({ id }: { id: string }) => id);
    }, 'everything to fail');
    addon.respond = answer(204);
    addon.calls.length = 0;
    const { json: replay } = await operator('POST', '/replays', { state: 'any', perSecond: 60 });
    expect(replay.total).to.equal(EVENTS);

    for (const received of [20, 70]) {
      await addon.waitFor('/hook', received);
      await host.kill();
      const recorded = await recordedAsDelivered();
      expect(recorded.size).to.be.lessThan(EVENTS);
      const before = new Map([...recorded].map((id) => [id, timesReceived(id)]));
      operator = await start();
      await addon.waitFor('/hook', received + 10);
      for (const [id, times] of before) expect(timesReceived(id)).to.equal(times);
    }

    const recorded = await until(
      async () => {
        const { json } = await operator('GET', `/replays/${replay.id}`);
        return json.state === 'done' && json.results.owed === 0 && json;
      },
      'the replay to be over',
      30_000,
    );
    expect(recorded).to.deep.include({ done: EVENTS, skipped: { owed: 0, eventExpired: 0 } });
    expect(recorded.results.delivered).to.equal(EVENTS);
    const seen = addon.to('/hook').map(({ headers }) => String(headers['webhook-id']));
    expect(new Set(seen)).to.deep.equal(new Set(ids));
    // Twice at most what was under way, or not yet recorded, when it was killed.
    expect(seen.length - EVENTS).to.be.at.most(2 * 64);
  });

  function timesReceived(id: string): number {
    return addon.to('/hook').filter(({ headers }) => headers['webhook-id'] === id).length;
  }

  async function recordedAsDelivered(): Promise<Set<string>> {
    const store = openStore(database);
    const { items } = await store.deliveries.list({ state: 'delivered', limit: 200 });
    await store.close();
    return new Set(items.map(({ id }) => id));
  }
});
