import { expect } from 'chai';
import { createLogger } from '../../src/core/log.ts';
import { letGo } from '../../src/host/retention.ts';
import { createHost } from '../../src/index.ts';
import { type InstalledAddon, installAddon, PUSH } from '../helpers/installed-addon.ts';
import { newDatabase } from '../helpers/new-database.ts';
import { mortise } from '../helpers/process.ts';
import {
  type RunningHost,
  SECRET_KEY,
  type StartOptions,
  startHost,
} from '../helpers/start-host.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';
import { until } from '../helpers/until.ts';

const DAY = 24 * 3_600_000;

describe('retention', () => {
  let running: RunningHost;
  let installed: InstalledAddon;
  let database: string;
  let log: string;
  let now: number;

  async function start(options: StartOptions = {}): Promise<void> {
    const destination = {
      write(line: string) {
        log += line;
      },
    };
    running = await startHost({
      database,
      clock: { now: () => now },
      log: createLogger('info', destination),
      ...options,
    });
  }

  beforeEach(async () => {
    database = await newDatabase(temporaryFolder());
    log = '';
    now = Date.now();
  });

  const dropped = () =>
    log
      .split('\n')
      .filter((line) => line.includes('past its retention'))
      .map((line) => JSON.parse(line))
      .map(({ kind, day }) => `${kind} ${day}`);
  const dayOf = (time: number) => new Date(time).toISOString().slice(0, 10).replaceAll('-', '');

  describe('of ten days', () => {
    const ids: string[] = [];
    const times: number[] = [];

    beforeEach(async function () {
      this.timeout(60_000);
      ids.length = 0;
      times.length = 0;
      await start({ retention: { eventDays: 4, attemptDays: 8 } });
      installed = await installAddon(running);
      for (let day = 0; day < 10; day++) {
        const { json } = await running.operator('POST', '/events', PUSH);
        ids.push(json.id);
        times.push(now);
        await installed.addon.waitFor('/hook', day + 1);
        await until(async () => {
          const { items } = (await running.operator('GET', '/deliveries?state=delivered')).json;
          return items.some((item: { eventId: string }) => item.eventId === json.id);
        }, 'the delivery to be recorded');
        now += DAY;
        await letGo(running.host.parts);
      }
    });
    afterEach(async () => {
      await running.stop();
      await installed.addon.stop();
    });

    it('keeps the events of the last, says 410 for those before, 404 for what never was', async () => {
      const answers = await Promise.all(ids.map((id) => running.operator('GET', `/events/${id}`)));
      expect(answers.map(({ status }) => status)).to.deep.equal([
        ...Array(6).fill(410),
        ...Array(4).fill(200),
      ]);
      for (const { json } of answers.slice(0, 6)) expect(json.code).to.equal('event_expired');
      const unknown = await running.operator('GET', '/events/0198c0de');
      expect(unknown.json).to.include({ code: 'not_found' });
      const { status } = await running.operator('GET', `/events/${ids[9]!.slice(0, 14)}7000`);
      expect(status).to.equal(404);
    });

    it('keeps the log longer, found over all its days, and says what was dropped', async () => {
      const { items } = (await running.operator('GET', '/deliveries?limit=200')).json;
      expect(items.map((item: { eventId: string }) => item.eventId)).to.deep.equal(
        ids.slice(2).reverse(),
      );
      const of = (await running.operator('GET', `/deliveries?event=${ids[3]}`)).json.items;
      expect(of).to.have.length(1);
      const view = (await running.operator('GET', `/deliveries/${of[0].id}`)).json;
      expect(view).to.deep.include({ state: 'delivered', traceId: null });
      expect(view.attempts).to.have.length(1);
      expect(dropped()).to.include.members([
        `events ${dayOf(times[0]!)}`,
        `events ${dayOf(times[5]!)}`,
        `attempts ${dayOf(times[1]!)}`,
      ]);
      expect(dropped()).not.to.include(`events ${dayOf(times[6]!)}`);
    });
  });

  it('is looked after at each start', async () => {
    await start();
    installed = await installAddon(running);
    const { json } = await running.operator('POST', '/events', PUSH);
    const { events: kept } = running.host.parts.settings.retention;
    expect(kept).to.equal(7 * DAY);
    await running.stop();
    now += 9 * DAY;
    await start();
    await until(() => dropped().length > 0, 'the day to be dropped');
    expect((await running.operator('GET', `/events/${json.id}`)).status).to.equal(410);
    await running.stop();
    await installed.addon.stop();
  });

  for (const [name, days] of [
    ['eventDays', 3],
    ['attemptDays', 0],
    ['eventDays', 4.5],
    ['attemptDays', Number.NaN],
  ] as const) {
    it(`of ${days} ${name} is refused, with the reason`, () => {
      const make = () =>
        createHost({
          platform: 'platforms/bitbucket.json',
          database,
          baseUrl: 'https://code.example',
          secretKey: SECRET_KEY,
          retention: { [name]: days },
        });
      expect(make)
        .to.throw(`retention.${name}`)
        .with.property('hint')
        .that.includes('owed for 3 days');
    });
  }

  it('is set by the environment of the command line too', async function () {
    this.timeout(60_000);
    const args = ['serve', '--dev', '--platform', 'platforms/bitbucket.json', '--port', '0'];
    const env = { MORTISE_DATA: temporaryFolder(), MORTISE_EVENT_DAYS: '2' };
    const { code, output } = await mortise(args, env);
    expect(code).not.to.equal(0);
    expect(output).to.include('retention.eventDays').and.to.include('at least 4');
  });
});
