// What a fault test stands on: a receiver that never dies, hosts that may, a publisher between them, and the ledger.
import { get } from 'node:http';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Operator } from '../../examples/story/operator.ts';
import { isPostgresUrl } from '../../src/store/open-store.ts';
import { dropDatabase, newDatabase } from '../helpers/new-database.ts';
import { makeClockSettable, setDatabaseClock } from '../helpers/set-database-clock.ts';
import { OPERATOR_TOKEN } from '../helpers/start-host.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';
import { until } from '../helpers/until.ts';
import { endLeases, holdWrites, isFannedOut } from './behind-the-host.ts';
import { type Child, startChild } from './child.ts';
import {
  type Balance,
  balance,
  type Disturbance,
  type Granted,
  type Listed,
  type Received,
  readListed,
  readPublished,
  readReceived,
} from './ledger.ts';
import type { StartPublisher } from './programs/publisher.ts';
import type { AddonCounts, Behaviour } from './programs/receiver.ts';
import { Replica, type ReplicaOptions } from './replica.ts';
import { descriptorOf, type Seeds, seedInstallations } from './seed.ts';

export interface RigOptions {
  /** Default: a folder of its own. */
  folder?: string;
  jitter?: number;
  /** Default: a new one of the run's store; a file is in the folder. */
  database?: string;
  /** setClock() will be called: on PostgreSQL that slows every look at the time. */
  setsClock?: boolean;
  /** Hosts on one database; only PostgreSQL bears more than one. */
  replicas?: number;
  leaseMs?: number;
}

export interface AddonOptions {
  context?: string;
  scopes?: ('repository' | 'issue')[];
  resources?: string[];
  /** The last byte of its own loopback address: add-ons at different ones share no connection. */
  host?: number;
}

const TYPE_OF_SCOPE = { repository: 'repo:push', issue: 'issue:created' };

/** What the deliveries of one disturbance may come twice: 512 sockets, and a commit of 256. */
export const IN_FLIGHT = 512;
export const COMMIT_SIZE = 256;

export class Rig {
  readonly folder: string;
  readonly database: string;
  readonly replicas: Replica[];
  readonly receiver: Child;
  readonly disturbances: Disturbance[] = [];
  readonly granted: Granted[] = [];
  readonly authorization = `Bearer ${OPERATOR_TOKEN}`;
  readonly #receiverPort: number;
  #isItsOwn = false;
  #publisher: Child | undefined;
  #events = 0;

  private constructor(
    folder: string,
    database: string,
    replicas: Replica[],
    receiver: Child,
    at: number,
  ) {
    this.folder = folder;
    this.database = database;
    this.replicas = replicas;
    this.#receiverPort = at;
    this.receiver = receiver;
  }

  static async open({ replicas: count = 1, ...options }: RigOptions = {}): Promise<Rig> {
    const log = temporaryFolder();
    const receiver = await startChild('receiver', join(log, 'received.ndjson'));
    const at = await until(() => receiver.ask<number>({ ask: 'port' }), 'the receiver to listen');
    const { folder = log, jitter, leaseMs } = options;
    const database = options.database ?? (await newDatabase(folder));
    if (options.setsClock && isPostgresUrl(database)) await makeClockSettable(database);
    const shared: ReplicaOptions = { database, jitter, leaseMs };
    const replicas: Replica[] = [];
    for (let i = 0; i < count; i++)
      replicas.push(await Replica.at({ ...shared, baseUrl: replicas[0]?.url }));
    const rig = new Rig(folder, database, replicas, receiver, at);
    rig.#isItsOwn = options.database === undefined;
    rig.receivedFile = join(log, 'received.ndjson');
    rig.publishedFile = join(log, 'published.ndjson');
    return rig;
  }

  receivedFile = '';
  publishedFile = '';

  /** The first, where there are several. */
  get #first(): Replica {
    return this.replicas[0]!;
  }

  get url(): string {
    return this.#first.url;
  }

  get operator(): Operator {
    return this.#first.operator;
  }

  get host(): Child {
    return this.#first.host;
  }

  get pid(): number {
    return this.host.process.pid!;
  }

  /** @returns when it serves and delivers */
  start(): Promise<void> {
    return this.#first.start();
  }

  /** Lets the next host load while this one runs. */
  prepareNext(): void {
    this.#first.prepareNext();
  }

  /**
   * kill -9
   * @param endsLease the next goes on with its share at once. Default: where it was the only one.
   */
  async kill({
    replica = this.#first,
    endsLease = this.replicas.length === 1,
  }: {
    replica?: Replica;
    endsLease?: boolean;
  } = {}): Promise<Disturbance> {
    return this.disturb('kill', async () => {
      await replica.host.kill();
      if (endsLease) await endLeases(this.database);
    });
  }

  /** Of what is done, deliveries may come twice. */
  async disturb(what: string, happen: () => Promise<void>): Promise<Disturbance> {
    const disturbance = { what, at: now(), until: Number.POSITIVE_INFINITY };
    this.disturbances.push(disturbance);
    await happen();
    // By then the receiver has read what was sent before.
    await this.fence();
    disturbance.until = now();
    return disturbance;
  }

  /** Ends as on SIGTERM. */
  stopHost(): Promise<void> {
    return this.#first.stop();
  }

  /** Sets the clock of the machine that this host, those that follow it, and its PostgreSQL run on. */
  async setClock(offsetMs: number): Promise<void> {
    if (isPostgresUrl(this.database)) await setDatabaseClock(this.database, offsetMs);
    await this.#first.setClock(offsetMs);
  }

  origin(host = 1): string {
    return `http://127.0.0.${host}:${this.#receiverPort}`;
  }

  /** Through the handshake. @returns its id */
  async install(name: string, options: AddonOptions = {}): Promise<string> {
    const { context = 'acme', scopes = ['repository'], resources, host } = options;
    const { status, json } = await this.operator('POST', '/installations', {
      descriptor: descriptorOf(name, `${this.origin(host)}/${name}`, scopes),
      context,
      resources,
    });
    expect(status, JSON.stringify(json)).to.equal(201);
    const old = this.granted.findIndex((one) => one.installationId === json.id);
    if (old >= 0) this.granted.splice(old, 1);
    this.granted.push({
      installationId: json.id,
      clientKey: json.clientKey,
      context,
      eventTypes: scopes.map((scope) => TYPE_OF_SCOPE[scope]),
      resources: resources ?? null,
    });
    return json.id;
  }

  /** Without it. */
  async seed(seeds: Omit<Seeds, 'database'>): Promise<void> {
    this.granted.push(...(await seedInstallations({ ...seeds, database: this.database })));
  }

  behave(addons: string | string[], behaviour: Behaviour): Promise<void> {
    return this.receiver.ask({ ask: 'behave', addons: [addons].flat(), behaviour });
  }

  counts(addon: string): Promise<AddonCounts> {
    return this.receiver.ask({ ask: 'counts', addon });
  }

  /** Deliveries to anybody so far. */
  total(): Promise<number> {
    return this.receiver.ask({ ask: 'total' });
  }

  /**
   * When it resolves, the receiver has logged everything that was sent to it before the call: on the loopback what is
   * written is at its peer, and each round lets the receiver's loop accept one more connection and read every socket.
   */
  async fence(): Promise<void> {
    for (let round = 0; round < 4; round++) await getAnew(`${this.origin()}/fence`);
  }

  /** One event; its number is its payload. */
  async publish(
    event: { type?: string; context?: string; resource?: string } = {},
  ): Promise<{ id: string; n: number; ms: number; at: number }> {
    const n = 1_000_000 + this.#events++;
    const body = { type: 'repo:push', context: 'acme', ...event, payload: { n } };
    const at = now();
    const { status, json } = await this.operator('POST', '/events', body);
    const ms = now() - at;
    expect(status, JSON.stringify(json)).to.equal(202);
    return { id: json.id, n, ms, at };
  }

  /** Thousands at once, as NDJSON. @returns their ids */
  async publishMany(
    count: number,
    event: { context?: string; resource?: string } = {},
  ): Promise<string[]> {
    const ids: string[] = [];
    for (let left = count; left > 0; left -= 1_000) {
      const rows = Array.from({ length: Math.min(left, 1_000) }, () => {
        const n = 1_000_000 + this.#events++;
        return JSON.stringify({ type: 'repo:push', context: 'acme', ...event, payload: { n } });
      });
      const response = await fetch(`${this.url}/operator/v1/events`, {
        method: 'POST',
        headers: {
          authorization: this.authorization,
          'content-type': 'application/x-ndjson',
        },
        body: rows.join('\n'),
      });
      const answer = (await response.json()) as { items: { id: string }[] };
      expect(response.status, JSON.stringify(answer)).to.equal(202);
      ids.push(...answer.items.map(({ id }) => id));
    }
    return ids;
  }

  async startPublisher(
    options: Pick<StartPublisher, 'kinds' | 'writers' | 'pauseMs'>,
  ): Promise<void> {
    this.#publisher = await startChild('publisher');
    await this.#publisher.ask({
      ask: 'start',
      urls: this.replicas.map(({ url }) => url),
      operatorToken: OPERATOR_TOKEN,
      file: this.publishedFile,
      ...options,
    });
  }

  /** Waits for every answer it still expects. */
  async stopPublisher(): Promise<{ published: number; repeated: number; failures: number }> {
    const counts = await this.#publisher!.ask<{
      published: number;
      repeated: number;
      failures: number;
    }>({ ask: 'stop' });
    await this.#publisher!.kill();
    return counts;
  }

  async isOwed(state: 'pending' | 'retrying'): Promise<boolean> {
    const { json } = await this.operator('GET', `/deliveries?state=${state}&limit=1`);
    return json.items.length > 0;
  }

  /** Until nothing is owed any more, and nothing waits to be: on PostgreSQL while nobody has the right to send. */
  async untilSettled(timeoutMs: number): Promise<void> {
    await until(
      async () =>
        (await isFannedOut(this.database)) &&
        !(await this.isOwed('pending')) &&
        !(await this.isOwed('retrying')),
      'everything owed to be delivered',
      timeoutMs,
    );
  }

  listed(query = ''): Promise<Listed[]> {
    return readListed(this.operator, query);
  }

  received(): Received[] {
    return readReceived(this.receivedFile);
  }

  /** Another writer holds the database. @returns lets go of it */
  lock(): Promise<() => Promise<void>> {
    return holdWrites(this.database);
  }

  async balance(): Promise<Balance> {
    await this.fence();
    return balance({
      published: readPublished(this.publishedFile),
      granted: this.granted,
      received: this.received(),
      listed: await this.listed(),
      disturbances: this.disturbances,
    });
  }

  async close(): Promise<void> {
    await this.#publisher?.kill();
    for (const replica of this.replicas) await replica.close();
    await this.receiver.kill();
    if (this.#isItsOwn) await dropDatabase(this.database);
  }
}

/** None lost, none ungranted, nothing wrong; twice only what a disturbance explains, under the same id. */
export function expectBalanced(books: Balance): void {
  const { duplicates: _, mostPerDisturbance, ...faults } = books;
  const found = Object.entries(faults).flatMap(([name, list]) =>
    list.length > 0 ? [`${name}, ${list.length}:`, ...list.slice(0, 5)] : [],
  );
  if (found.length > 0) throw new Error(`the ledger does not balance.\n  ${found.join('\n  ')}`);
  expect(mostPerDisturbance, 'duplicates of one disturbance').to.be.at.most(
    IN_FLIGHT + COMMIT_SIZE,
  );
}

/** Every attempt that came is in the log once, and nothing was given up for what was the host's own trouble. */
export async function expectEveryAttemptRecorded(rig: Rig): Promise<void> {
  const came = new Map<string, number>();
  for (const { webhookId } of rig.received()) came.set(webhookId, (came.get(webhookId) ?? 0) + 1);
  const listed = await rig.listed();
  const wrong = listed.flatMap(({ id, state, attemptCount }) =>
    state === 'delivered' && came.get(id) === attemptCount
      ? []
      : [`${id}: ${state}, ${attemptCount} recorded, ${came.get(id) ?? 0} came`],
  );
  expect(wrong.slice(0, 5), `${wrong.length} of ${listed.length}`).to.deep.equal([]);
}

/** Milliseconds since 1970, with a fraction; the receiver's log has the same. */
export function now(): number {
  return performance.timeOrigin + performance.now();
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** The value below which `share` of them lie. */
export function percentile(values: number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

/** Over a connection of its own, accepted after all that were opened before: they are accepted one a turn. */
function getAnew(url: string): Promise<void> {
  return new Promise((resolve, reject) => {
    get(url, { agent: false }, (response) => response.resume().on('end', resolve)).on(
      'error',
      reject,
    );
  });
}
