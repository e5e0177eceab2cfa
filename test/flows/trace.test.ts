// Seen red: with the header not read, with a row's own passed over, with one span for all attempts.
import { expect } from 'chai';
import { createLogger } from '../../src/core/log.ts';
import { answer } from '../helpers/fake-addon.ts';
import { type InstalledAddon, installAddon, PUSH } from '../helpers/installed-addon.ts';
import { type RunningHost, startHost } from '../helpers/start-host.ts';
import { until } from '../helpers/until.ts';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const OTHER = '4bf92f3577b34da6a3ce929d0e0e4736';
const traceparent = (trace: string) => `00-${trace}-b7ad6b7169203331-01`;

describe('a trace', () => {
  let running: RunningHost;
  let installed: InstalledAddon;
  let log = '';

  beforeEach(async () => {
    log = '';
    const destination = {
      write(line: string) {
        log += line;
      },
    };
    running = await startHost({ random: () => 0, log: createLogger('debug', destination) });
    installed = await installAddon(running);
  });
  afterEach(async () => {
    await running.stop();
    await installed.addon.stop();
  });

  const lines = () =>
    log
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line))
      .filter((line) => line.delivery !== undefined);

  it('goes on from the request that published to each attempt, which has a span of its own', async () => {
    const { addon } = installed;
    addon.respond = answer(500);
    const { json } = await running.operator('POST', '/events', PUSH, {
      traceparent: traceparent(TRACE),
    });
    await addon.waitFor('/hook');
    addon.respond = answer(204);
    await addon.waitFor('/hook', 2);
    const parents = addon.to('/hook').map(({ headers }) => String(headers.traceparent));
    for (const parent of parents)
      expect(parent).to.match(new RegExp(`^00-${TRACE}-[0-9a-f]{16}-01$`));
    expect(new Set(parents).size).to.equal(2);

    const event = (await running.operator('GET', `/events/${json.id}`)).json;
    expect(event.traceId).to.equal(TRACE);
    const [{ id }] = await until(async () => {
      const { items } = (await running.operator('GET', '/deliveries?state=delivered')).json;
      return items.length === 1 && items;
    }, 'the delivery');
    const delivery = (await running.operator('GET', `/deliveries/${id}`)).json;
    expect(delivery.traceId).to.equal(TRACE);
    const spans = delivery.attempts.map(({ spanId }: { spanId: string }) => spanId);
    expect(parents.map((parent) => parent.split('-')[2])).to.deep.equal(spans);
    expect(lines().map(({ traceId, number }) => [traceId, number])).to.deep.equal([
      [TRACE, 1],
      [TRACE, 2],
    ]);
  });

  it('begins with the event where none came, or an invalid one', async () => {
    const { addon } = installed;
    const without: Record<string, string>[] = [{}, { traceparent: 'ff-nonsense' }];
    for (const [i, headers] of without.entries()) {
      const { json } = await running.operator('POST', '/events', PUSH, headers);
      const { headers: received } = await addon.waitFor('/hook', i + 1);
      const traceId = json.id.replaceAll('-', '');
      expect(String(received.traceparent).split('-')[1]).to.equal(traceId);
      expect((await running.operator('GET', `/events/${json.id}`)).json.traceId).to.equal(traceId);
    }
  });

  it('may be named by each row of a batch; the request’s own is for the others', async () => {
    const rows = [{ ...PUSH, traceparent: traceparent(OTHER) }, PUSH];
    const { json } = await running.operator(
      'POST',
      '/events',
      rows.map((row) => JSON.stringify(row)).join('\n'),
      { 'content-type': 'application/x-ndjson', traceparent: traceparent(TRACE) },
    );
    const traces = await Promise.all(
      json.items.map(async ({ id }: { id: string }) => {
        return (await running.operator('GET', `/events/${id}`)).json.traceId;
      }),
    );
    expect(traces).to.deep.equal([OTHER, TRACE]);
  });

  it('is taken by publish() of the library', async () => {
    const { id } = await running.host.publish({ ...PUSH, traceparent: traceparent(OTHER) });
    expect((await running.operator('GET', `/events/${id}`)).json.traceId).to.equal(OTHER);
  });
});
