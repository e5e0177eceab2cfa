import type { PlatformDefinition } from '../../src/index.ts';
import type { FakeAddon, ReceivedCall } from '../helpers/fake-addon.ts';
import { type RunningHost, startHost } from '../helpers/start-host.ts';
import { until } from '../helpers/until.ts';
import { type Json, markersIn, violations } from './oracle.ts';
import {
  addressesFor,
  type Change,
  type Event,
  type Holding,
  holdingsAfter,
  holdingsBefore,
  mayBeTold,
  type Scenario,
} from './scenario.ts';

/** @returns one sentence for each violation; none if all is well */
export async function play(scenario: Scenario, servers: FakeAddon[]): Promise<string[]> {
  for (const server of servers) server.calls.length = 0;
  const host = await startHost({
    platform: scenario.definition as unknown as PlatformDefinition,
    paused: scenario.isBacklog,
  });
  try {
    return await new Stage(scenario, servers, host).run();
  } finally {
    await host.stop();
  }
}

interface Published extends Event {
  /** An installation must hold what is needed at each of these times; the last one decides what it sees. */
  times: Holding[][];
}

class Stage {
  readonly #scenario: Scenario;
  readonly #servers: FakeAddon[];
  readonly #host: RunningHost;
  readonly #ids: string[] = [];
  readonly #installationOfHook = new Map<string, number>();
  readonly #published = new Map<string, Published>();
  #watches = 0;

  constructor(scenario: Scenario, servers: FakeAddon[], host: RunningHost) {
    this.#scenario = scenario;
    this.#servers = servers;
    this.#host = host;
  }

  async run(): Promise<string[]> {
    const { first, second, isBacklog } = this.#scenario;
    const before = holdingsBefore(this.#scenario);
    const after = holdingsAfter(this.#scenario);
    await this.#installWatchman();
    await this.#installAll();
    if (isBacklog) {
      await this.#publish(first, [before, after]);
      await this.#fanOut();
      await this.#change();
      await this.#publish(second, [after]);
      await this.#host.host.start();
    } else {
      await this.#publish(first, [before]);
      await this.#settle();
      await this.#change();
      await this.#publish(second, [after]);
    }
    await this.#settle();
    return this.#judge();
  }

  /** An installation in a place of its own that may see all: what it gets last was published last. */
  async #installWatchman(): Promise<void> {
    await this.#install({
      descriptor: {
        ...descriptorOf('watchman', `${this.#servers[0]!.url}/watchman`),
        scopes: Object.keys(this.#scenario.definition.scopes),
        modules: { webhooks: [{ event: '*', url: '/hook' }] },
      },
      context: 'watched',
    });
  }

  async #installAll(): Promise<void> {
    const { addons, installations } = this.#scenario;
    const installed = await Promise.all(
      installations.map(({ addon, context, scopes, resources }) => {
        const { isToldOfInstall, webhooks, scopes: asked } = addons[addon]!;
        return this.#install({
          descriptor: {
            ...descriptorOf(`addon-${addon}`, `${this.#servers[addon]!.url}/addon-${addon}`),
            ...(isToldOfInstall && {
              lifecycle: { installed: '/installed', uninstalled: '/uninstalled' },
            }),
            scopes: asked,
            modules: { webhooks },
          },
          context,
          scopes,
          resources,
        });
      }),
    );
    installed.forEach(({ id, webhooks }, i) => {
      this.#ids.push(id);
      for (const webhook of webhooks) this.#installationOfHook.set(webhook.id, i);
    });
  }

  async #install(body: object): Promise<{ id: string; webhooks: { id: string }[] }> {
    return this.#must(201, await this.#host.operator('POST', '/installations', body));
  }

  // biome-ignore lint/suspicious/noExplicitAny: answers of many shapes
  #must(status: number, answer: { status: number; text: string; json: any }): any {
    if (answer.status !== status) throw new Error(`${answer.status} ${answer.text}`);
    return answer.json;
  }

  /** By both ways in. */
  async #publish(events: Event[], times: Holding[][]): Promise<void> {
    for (const [i, event] of events.entries()) {
      const { id } =
        i % 2 === 0
          ? await this.#host.host.publish(event)
          : this.#must(202, await this.#host.operator('POST', '/events', event));
      this.#published.set(id, { ...event, times });
    }
  }

  async #fanOut(): Promise<void> {
    const { events } = this.#host.host.parts.store;
    while ((await events.fanOut(64, Date.now(), 3_600_000)).events > 0);
  }

  async #change(): Promise<void> {
    await Promise.all(this.#scenario.changes.map((change) => this.#changeOne(change)));
  }

  async #changeOne(change: Change): Promise<void> {
    const path = `/installations/${this.#ids[change.installation]}`;
    const operator = this.#host.operator;
    switch (change.kind) {
      case 'scopes':
        this.#must(200, await operator('PATCH', path, { scopes: change.scopes }));
        break;
      case 'resources':
        this.#must(200, await operator('PATCH', path, { resources: change.resources }));
        break;
      case 'disable':
        this.#must(200, await operator('PATCH', path, { state: 'disabled' }));
        break;
      case 'uninstall':
        this.#must(204, await operator('DELETE', path));
        break;
    }
  }

  /** Waits until everything published has been fanned out and nothing is owed. */
  async #settle(): Promise<void> {
    const [type, { example }] = Object.entries(this.#scenario.definition.events)[0]!;
    const payload = example as Event['payload'];
    await this.#host.host.publish({ type, context: 'watched', payload });
    this.#watches++;
    const server = this.#servers[0]!;
    await until(() => server.to('/watchman/hook').length >= this.#watches, 'the watchman');
    const { deliveries } = this.#host.host.parts.store;
    await until(async () => (await deliveries.lanes()).length === 0, 'the end of all deliveries');
  }

  #judge(): string[] {
    const found: string[] = [];
    const arrived = new Map<string, number>();
    this.#servers.forEach((server, addon) => {
      for (const call of server.calls) {
        const path = call.url.replace(/^\/[^/]*/, '');
        if (call.url.startsWith('/watchman/')) continue;
        if (path.endsWith('installed')) {
          if (markersIn(textOf(call)).length > 0) found.push(`${call.url} carries a payload`);
          continue;
        }
        found.push(...this.#judgeCall(call, addon, path, arrived));
      }
    });
    return [...found, ...this.#judgeArrivals(arrived)];
  }

  #judgeCall(
    call: ReceivedCall,
    addon: number,
    path: string,
    arrived: Map<string, number>,
  ): string[] {
    const { definition, installations } = this.#scenario;
    const id = String(call.headers['mortise-event-id']);
    const installation = this.#installationOfHook.get(String(call.headers['x-hook-uuid']));
    const event = this.#published.get(id);
    if (installation === undefined || !event) return [`${call.url} got something unknown`];
    const name = `${id} ${installation} ${path}`;
    arrived.set(name, (arrived.get(name) ?? 0) + 1);
    const what = `installation ${installation}, ${event.type} (${id}):`;
    if (installations[installation]!.addon !== addon) return [`${what} sent to another add-on`];
    if (call.headers['x-event-key'] !== event.type) return [`${what} has another x-event-key`];
    const refusing = event.times.filter(
      (holdings) => !mayBeTold(this.#scenario, installation, holdings[installation], event),
    );
    if (refusing.length > 0) return [`${what} told, though its grant does not cover it`];
    const payload = payloadIn(call.json, String((definition.webhooks as { body: string }).body));
    const { scopes } = event.times.at(-1)![installation]!;
    return violations(definition, event, scopes, payload, textOf(call)).map((v) => `${what} ${v}`);
  }

  #judgeArrivals(arrived: Map<string, number>): string[] {
    const owed = new Set<string>();
    for (const [id, event] of this.#published) {
      this.#scenario.installations.forEach((_, installation) => {
        const isOwed = event.times.every((holdings) =>
          mayBeTold(this.#scenario, installation, holdings[installation], event),
        );
        if (!isOwed) return;
        for (const url of addressesFor(this.#scenario, installation, event.type)) {
          owed.add(`${id} ${installation} ${url}`);
        }
      });
    }
    return [
      ...[...owed].filter((name) => !arrived.has(name)).map((name) => `${name} never arrived`),
      ...[...arrived].filter(([, n]) => n > 1).map(([name, n]) => `${name} arrived ${n} times`),
      ...[...arrived.keys()].filter((n) => !owed.has(n)).map((name) => `${name} is owed to nobody`),
    ];
  }
}

function descriptorOf(key: string, baseUrl: string): Record<string, unknown> {
  return { key, name: key, description: key, baseUrl, authentication: { type: 'jwt' } };
}

/** The request character for character, so that a marker is found by whatever way it came. */
function textOf({ headers, body, url }: ReceivedCall): string {
  return `${url} ${JSON.stringify(headers)} ${body.toString('utf8')}`;
}

function payloadIn(body: Record<string, Json>, shape: string): Json {
  return shape === 'payload' ? body : body.data!;
}
