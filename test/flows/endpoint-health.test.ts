import { expect } from 'chai';
import { answer } from '../helpers/fake-addon.ts';
import { type InstalledAddon, installAddon, PUSH } from '../helpers/installed-addon.ts';
import { newDatabase } from '../helpers/new-database.ts';
import { type RunningHost, startHost } from '../helpers/start-host.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';
import { until } from '../helpers/until.ts';

const SECOND = 1_000;
const DAY = 24 * 3_600 * SECOND;

describe('an endpoint', function () {
  this.timeout(60_000);
  let running: RunningHost;
  let installed: InstalledAddon;
  let shift: number;
  const clock = { now: () => Date.now() + shift };

  beforeEach(async () => {
    shift = 0;
    running = await startHost({ clock, random: () => 0.5 });
    installed = await installAddon(running, {
      descriptor: {
        lifecycle: {
          installed: '/installed',
          webhooksPaused: '/paused',
          webhooksResumed: '/resumed',
        },
      },
    });
  });
  afterEach(async () => {
    await running.stop();
    await installed.addon.stop();
  });

  const calls = () => installed.addon.to('/hook').length;

  function later(ms: number): void {
    shift += ms;
    running.host.parts.wake();
  }

  async function publish(more: object = {}): Promise<string> {
    return (await running.operator('POST', '/events', { ...PUSH, ...more })).json.id;
  }

  // biome-ignore lint/suspicious/noExplicitAny: the operator API's view
  async function deliveryOf(event: string): Promise<any> {
    return (await running.operator('GET', `/deliveries?event=${event}`)).json.items[0];
  }

  /** Publishes, and waits until the add-on's answer to it is in the log. */
  async function publishAndFail(): Promise<string> {
    const event = await publish();
    await until(async () => (await deliveryOf(event))?.reason === 'status_500', 'its failure');
    return event;
  }

  /** Ten failures in a row over half a minute, the last of them retries. */
  async function openBreaker(): Promise<string[]> {
    installed.addon.respond = answer(500);
    const events: string[] = [];
    for (let i = 0; i < 9; i++) events.push(await publishAndFail());
    later(31 * SECOND);
    const { deliveries } = running.host.parts.store;
    await until(async () => {
      const [lane] = await deliveries.lanes();
      return lane?.state?.openUntil;
    }, 'the breaker to open');
    await until(async () => {
      const sent = calls();
      await new Promise((resolve) => setTimeout(resolve, 100));
      return sent === calls();
    }, 'the end of what was under way');
    return events;
  }

  it('that fails for half a minute is let alone, then probed with one call that uses up no attempt', async () => {
    await openBreaker();
    const before = calls();
    await publish();
    later(10 * SECOND);
    await running.operator('GET', '/deliveries');
    expect(calls()).to.equal(before);
    later(30 * SECOND);
    await until(() => calls() > before, 'the probe');
    await until(async () => {
      const { items } = (await running.operator('GET', '/deliveries?state=pending')).json;
      const { items: retrying } = (await running.operator('GET', '/deliveries?state=retrying'))
        .json;
      const counts = [...items, ...retrying].map((d: { attemptCount: number }) => d.attemptCount);
      return counts.length === 10 && Math.max(...counts) <= 2;
    }, 'ten deliveries that are owed');
    later(20 * SECOND);
    await running.operator('GET', '/deliveries');
    expect(calls()).to.equal(before + 1);
  });

  it('that answers a probe gets everything', async () => {
    const events = await openBreaker();
    installed.addon.respond = answer(204);
    later(40 * SECOND);
    for (const event of events) {
      await until(async () => {
        later(SECOND);
        return (await deliveryOf(event)).state === 'delivered';
      }, 'what was owed');
    }
  });

  it('is probed on, not called anew, by the next process', async () => {
    const database = await newDatabase(temporaryFolder());
    const first = running;
    running = await startHost({ clock, random: () => 0.5, database });
    await first.stop();
    await installed.addon.stop();
    installed = await installAddon(running);
    await openBreaker();
    await running.stop();
    const before = calls();
    running = await startHost({ clock, random: () => 0.5, database });
    await publish();
    later(5 * SECOND);
    await running.operator('GET', '/deliveries');
    expect(calls()).to.equal(before);
    installed.addon.respond = answer(204);
    later(40 * SECOND);
    await until(() => calls() > before, 'the probe');
  });

  it('without success for five days is paused and told so, and resumed by the first success', async () => {
    await openBreaker();
    for (let day = 1; day <= 11; day++) {
      const failures = async () => {
        const path = `/installations/${installed.installation.id}`;
        return (await running.operator('GET', path)).json.delivery.failures;
      };
      const before = await failures();
      await publish();
      later(DAY / 2);
      await until(async () => {
        later(SECOND);
        return (await failures()) > before;
      }, 'a probe');
    }
    const paused = await installed.addon.waitFor('/paused');
    expect(paused.json.eventType).to.equal('webhooksPaused');
    installed.addon.respond = answer(204);
    await publish();
    await until(() => {
      later(60 * SECOND);
      return installed.addon.to('/resumed').length > 0;
    }, 'to be told');
    expect(installed.addon.to('/resumed')[0]!.json.eventType).to.equal('webhooksResumed');
  });

  it('that answers 410 is told nothing more by that webhook', async () => {
    installed.addon.respond = answer(410);
    const event = await publish();
    await until(async () => (await deliveryOf(event))?.state === 'failed', 'the end');
    expect((await deliveryOf(event)).reason).to.equal('gone');
    const next = await publish();
    const other = await installAddon(running, { descriptor: { key: 'other' } });
    await publish();
    await other.addon.waitFor('/hook');
    await until(
      async () => (await deliveryOf(next))?.state === 'dropped',
      'the next to be dropped',
    );
    expect((await deliveryOf(next)).reason).to.equal('webhook_off');
    expect(calls()).to.equal(1);
    await other.addon.stop();
  });

  it('that was switched off by a 410 is told again when it is installed again', async () => {
    installed.addon.respond = answer(410);
    const event = await publish();
    await until(async () => (await deliveryOf(event))?.state === 'failed', 'the end');
    installed.addon.respond = answer(204);
    const again = await running.operator('POST', '/installations', {
      descriptorUrl: installed.addon.descriptorUrl,
      context: 'acme',
    });
    expect(again.status).to.equal(201);
    await publish();
    await installed.addon.waitFor('/hook', 2);
  });

  it('that asks not to be sent one event again is sent the others', async () => {
    installed.addon.respond = (_call, response) => {
      response.writeHead(422, { 'webhook-delivery': 'abort-message' }).end();
    };
    const event = await publish();
    await until(async () => (await deliveryOf(event))?.state === 'failed', 'the end');
    expect((await deliveryOf(event)).reason).to.equal('aborted');
    installed.addon.respond = answer(204);
    await publish();
    await installed.addon.waitFor('/hook', 2);
  });

  it('gets the events of one key one after the other, and others in between', async () => {
    installed.addon.respond = answer(500);
    const first = await publish({ orderingKey: 'site' });
    const second = await publish({ orderingKey: 'site' });
    const other = await publish({ orderingKey: 'docs' });
    const free = await publish();
    const order = () =>
      installed.addon.to('/hook').map(({ headers }) => headers['mortise-event-id']);
    await until(() => new Set(order()).size === 3, 'all but the second');
    expect(order()).to.have.members([first, other, free]);
    installed.addon.respond = answer(204);
    await until(() => {
      later(SECOND);
      return order().includes(second);
    }, 'the second');
    const firstDelivered = order().lastIndexOf(first);
    expect(firstDelivered).to.be.lessThan(order().indexOf(second));
  });

  it('of an installation that is disabled gets nothing of a long queue, which ends with the reason', async () => {
    installed.addon.respond = answer(503);
    const events = await Promise.all(Array.from({ length: 700 }, () => publish()));
    await running.operator('PATCH', `/installations/${installed.installation.id}`, {
      state: 'disabled',
    });
    const before = calls();
    later(20 * SECOND);
    await until(async () => {
      const { items } = (await running.operator('GET', '/deliveries?state=retrying')).json;
      const pending = (await running.operator('GET', '/deliveries?state=pending')).json;
      return items.length === 0 && pending.items.length === 0;
    }, 'the end of the queue');
    expect(calls()).to.be.at.most(before);
    expect((await deliveryOf(events[699]!)).reason).to.equal('disabled');
  });
});
