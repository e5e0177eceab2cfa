// Seen red: the token, with requireToken left out; the count of new events, without comparing ids; what is owed at a
// start, with 0 instead of the count; the counters, with each call of an observer left out; deliveries that end twice, with
// every record counted.
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import { answer } from '../helpers/fake-addon.ts';
import { type InstalledAddon, installAddon, PUSH } from '../helpers/installed-addon.ts';
import { newDatabase, ON_POSTGRES } from '../helpers/new-database.ts';
import {
  OPERATOR_TOKEN,
  type RunningHost,
  type StartOptions,
  startHost,
} from '../helpers/start-host.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';
import { until } from '../helpers/until.ts';

const METRICS_TOKEN = 'metrics-token-of-the-tests';

describe('/metrics', () => {
  let running: RunningHost;
  let installed: InstalledAddon | undefined;

  afterEach(async () => {
    await running.stop();
    await installed?.addon.stop();
    installed = undefined;
  });

  async function start(options: StartOptions = {}): Promise<void> {
    running = await startHost({ random: () => 0, ...options });
  }

  async function scrape(): Promise<(sample: string) => number> {
    const { status, text } = await running.request('GET', '/metrics');
    expect(status).to.equal(200);
    return read(text);
  }

  function read(text: string): (sample: string) => number {
    const samples = new Map(
      text
        .split('\n')
        .filter((line) => line !== '' && !line.startsWith('#'))
        .map((line) => {
          const at = line.lastIndexOf(' ');
          return [line.slice(0, at), Number(line.slice(at + 1))] as const;
        }),
    );
    return (sample) => samples.get(sample) ?? 0;
  }

  const eventually = (sample: string, value: number) =>
    until(async () => (await scrape())(sample) === value, `${sample} to be ${value}`);

  it('counts what is published, attempted and delivered, and how long it took', async () => {
    await start();
    installed = await installAddon(running);
    const { addon } = installed;
    addon.respond = answer(503);
    await running.operator('POST', '/events', { ...PUSH, idempotencyKey: 'once' });
    await running.operator('POST', '/events', { ...PUSH, idempotencyKey: 'once' });
    await addon.waitFor('/hook');
    await eventually('mortise_delivery_attempt_duration_seconds_count{outcome="retry"}', 1);
    await eventually('mortise_owed', 1);
    addon.respond = answer(204);
    await eventually('mortise_deliveries_total{outcome="delivered",reason=""}', 1);
    const sample = await scrape();
    expect(sample('mortise_events_published_total{type="repo:push"}')).to.equal(1);
    expect(sample('mortise_owed')).to.equal(0);
    expect(sample('mortise_delivery_delay_seconds_count{until="first_attempt"}')).to.equal(1);
    expect(sample('mortise_delivery_delay_seconds_count{until="delivered"}')).to.equal(1);
    expect(sample('mortise_delivery_delay_seconds_sum{until="delivered"}')).to.be.within(0.9, 10);
    expect(sample('mortise_engine_running')).to.equal(1);
    expect(sample('mortise_store_commit_seconds_count')).to.be.above(3);
    expect(sample('mortise_store_commit_writes_sum')).to.be.above(3);
    // PostgreSQL waits for its disk itself.
    if (!ON_POSTGRES) expect(sample('mortise_store_sync_seconds_count')).to.be.above(3);
    expect(sample('process_start_time_seconds')).to.be.above(1_600_000_000);
  });

  it('tells what is dropped from what fails, by the class of the reason', async () => {
    await start();
    installed = await installAddon(running);
    const { addon, installation } = installed;
    addon.respond = answer(410);
    await running.operator('POST', '/events', PUSH);
    await eventually('mortise_deliveries_total{outcome="failed",reason="gone"}', 1);
    await running.stop();
    await addon.stop();

    await start();
    installed = await installAddon(running);
    installed.addon.respond = answer(500);
    for (let i = 0; i < 3; i++) await running.operator('POST', '/events', PUSH);
    await eventually('mortise_delivery_attempt_duration_seconds_count{outcome="retry"}', 3);
    await running.operator('PATCH', `/installations/${installed.installation.id}`, {
      state: 'disabled',
    });
    await eventually('mortise_deliveries_total{outcome="dropped",reason="disabled"}', 3);
    await eventually('mortise_owed', 0);
    const { text } = await running.request('GET', '/metrics');
    for (const id of [installation.id, installed.installation.id, installation.addonKey])
      expect(text).not.to.include(id);
  });

  it('shows what is under way, and how the lanes stand', async () => {
    await start();
    installed = await installAddon(running);
    const held: (() => void)[] = [];
    installed.addon.respond = (_call, response) => {
      held.push(() => response.writeHead(204).end());
    };
    await running.operator('POST', '/events', PUSH);
    await until(() => held.length === 1, 'the request');
    const sample = await scrape();
    expect(sample('mortise_attempts_in_flight')).to.equal(1);
    expect(
      sample('mortise_lanes{standing="untried"}') + sample('mortise_lanes{standing="troubled"}'),
    ).to.equal(1);
    expect(sample('mortise_owed')).to.equal(1);
    held[0]!();
    await eventually('mortise_attempts_in_flight', 0);
  });

  it('knows after a start what is owed from before', async () => {
    const database = await newDatabase(temporaryFolder());
    await start({ database });
    installed = await installAddon(running);
    installed.addon.respond = (_call, response) =>
      response.writeHead(503, { 'retry-after': '3600' }).end();
    for (let i = 0; i < 3; i++) await running.operator('POST', '/events', PUSH);
    await eventually('mortise_owed', 3);
    await installed.addon.waitFor('/hook');
    await running.stop();
    await start({ database });
    expect((await scrape())('mortise_owed')).to.equal(3);
  });

  it('counts requests by door and token checks by result, whatever became of them', async () => {
    await start({
      product: (host, app) => {
        app.use(host.guard('repository'));
        app.use((ctx) => {
          ctx.body = 'the product';
        });
      },
    });
    installed = await installAddon(running);
    const token = await installed.token();
    for (const bearer of [token, token, 'mta_unknown']) {
      await running.request('GET', '/product', { headers: { authorization: `Bearer ${bearer}` } });
    }
    await running.request('GET', '/operator/v1/installations');
    await running.request('GET', '/operator/v1/nothing/here');
    const sample = await scrape();
    expect(sample('mortise_token_checks_total{result="accepted"}')).to.equal(2);
    expect(sample('mortise_token_checks_total{result="refused"}')).to.equal(1);
    expect(sample('mortise_http_requests_total{door="operator",status="2xx"}')).to.equal(1);
    expect(sample('mortise_http_requests_total{door="operator",status="4xx"}')).to.equal(2);
    expect(sample('mortise_http_requests_total{door="oauth2",status="2xx"}')).to.equal(1);
    // The product's own requests are the product's to count.
    expect(sample('mortise_http_requests_total{door="operations",status="4xx"}')).to.equal(0);
  });

  it('reads no table: it answers when the database is closed', async () => {
    await start();
    const second = await startHost();
    const { metrics } = second.host.parts;
    await second.stop();
    expect(read(await metrics.text())('mortise_engine_running')).to.equal(0);
  });

  it('needs its token, or the operator’s, where it is not development', async () => {
    await start({ dev: false, baseUrl: 'https://code.example', metricsToken: METRICS_TOKEN });
    const server = running.app.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const ask = async (token?: string) => {
      const answered = await fetch(`http://127.0.0.1:${port}/metrics`, {
        headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
      });
      return [answered.status, await answered.text()] as const;
    };
    try {
      const [missing, problem] = await ask();
      expect(missing).to.equal(401);
      expect(JSON.parse(problem)).to.include({ code: 'metrics_token_missing' });
      expect((await ask('wrong'))[0]).to.equal(401);
      expect((await ask(METRICS_TOKEN))[1]).to.match(/^# HELP mortise_owed /m);
      expect((await ask(OPERATOR_TOKEN))[0]).to.equal(200);
      expect(
        (
          await fetch(`http://127.0.0.1:${port}/operator/v1/installations`, {
            headers: { authorization: `Bearer ${METRICS_TOKEN}` },
          })
        ).status,
      ).to.equal(401);
    } finally {
      server.close();
    }
  });
});
