// Seen red: with a thread that is not started again; with an event's payload taken from the place of another's; with
// what the payload schema does not name said in the thread only; without the gate in the thread.
import { execFile } from 'node:child_process';
import { EventEmitter } from 'node:events';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import { expect } from 'chai';
import pino from 'pino';
import type { OwedDelivery } from '../../src/store/rows.ts';
import { AttemptThread } from '../../src/webhooks/attempt-thread.ts';
import { AttemptThreads } from '../../src/webhooks/attempt-threads.ts';
import { AttemptBroken } from '../../src/webhooks/attempts.ts';
import { installAddon, PUSH } from '../helpers/installed-addon.ts';
import { ON_POSTGRES } from '../helpers/new-database.ts';
import { type RunningHost, startHost } from '../helpers/start-host.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';
import { until } from '../helpers/until.ts';

function push(name: string, more: Record<string, unknown> = {}) {
  return { ...PUSH, payload: { ...PUSH.payload, repository: { full_name: name }, ...more } };
}

describe('deliveries made by threads', () => {
  const said: string[] = [];
  let running: RunningHost;

  before(async () => {
    const log = pino({ level: 'warn' }, { write: (line: string) => void said.push(line) });
    running = await startHost({ deliveryThreads: 2, log, random: () => 0 });
  });
  after(() => running.stop());

  it('bring each its own event, just published and read again alike', async () => {
    const { addon } = await installAddon(running);
    const names = Array.from({ length: 40 }, (_, i) => `acme/site-${i}`);
    await Promise.all(names.map((name) => running.operator('POST', '/events', push(name))));
    await addon.waitFor('/hook', names.length);
    const told = addon.to('/hook').map(({ json }) => json.data.repository.full_name);
    expect([...told].sort()).to.deep.equal([...names].sort());
    await addon.stop();
  });

  it('say in the host’s log what the payload schema does not name', async () => {
    const { addon } = await installAddon(running, {
      context: 'secrets',
      descriptor: { key: 'curious' },
    });
    const event = { ...push('acme/site', { password: 'no' }), context: 'secrets' };
    expect((await running.operator('POST', '/events', event)).status).to.equal(202);
    const { json } = await addon.waitFor('/hook');
    expect(json.data).not.to.have.property('password');
    await until(() => said.some((line) => line.includes('/password')), 'the warning');
    await addon.stop();
  });

  it('are stopped by the gate', async () => {
    const { addon, installation } = await installAddon(running, {
      context: 'gone',
      descriptor: { key: 'leaving' },
    });
    const answered: (() => void)[] = [];
    addon.respond = (_call, response) => {
      answered.push(() => response.writeHead(503, { 'retry-after': '1' }).end());
    };
    const event = { ...push('acme/site'), context: 'gone' };
    await running.operator('POST', '/events', event);
    await addon.waitFor('/hook');
    await running.operator('PATCH', `/installations/${installation.id}`, { state: 'disabled' });
    for (const answer of answered) answer();
    const list = () => running.operator('GET', `/deliveries?installation=${installation.id}`);
    const ended = await until(
      async () =>
        (await list()).json.items.find(({ state }: { state: string }) => state === 'dropped'),
      'the delivery to be dropped',
    );
    expect(ended).to.include({ reason: 'disabled' });
    expect(addon.to('/hook')).to.have.length(1);
    await addon.stop();
  });
});

describe('a thread that makes attempts', () => {
  it('looks anew before a change of what its gate looks at is answered, and after nothing else', async () => {
    const running = await startHost({ deliveryThreads: 1 });
    const { addon, installation } = await installAddon(running);
    await running.operator('POST', '/events', PUSH);
    await addon.waitFor('/hook');
    const { settle } = AttemptThreads.prototype;
    let asked = 0;
    AttemptThreads.prototype.settle = function () {
      asked++;
      return settle.call(this);
    };
    try {
      await running.operator('POST', '/events', PUSH);
      expect(asked).to.equal(0);
      await running.operator('PATCH', `/installations/${installation.id}`, { state: 'disabled' });
      // On PostgreSQL the gate of each thread says itself what it has seen.
      expect(asked).to.equal(ON_POSTGRES ? 0 : 1);
    } finally {
      AttemptThreads.prototype.settle = settle;
    }
    await running.stop();
    await addon.stop();
  });

  it('ends with the host, though nothing else keeps the process alive', async () => {
    const program = `
      import { createHost } from './src/create-host.ts';
      import { AttemptThreads } from './src/webhooks/attempt-threads.ts';
      import { openDeliveryThread } from './src/delivery-threads.ts';
      import { readOptions } from './src/host/settings.ts';
      const options = { platform: 'platforms/bitbucket.json', database: process.argv[1], baseUrl: 'http://host.example',
        dev: true, secretKey: Buffer.alloc(32, 7).toString('base64'), log: 'silent' };
      const host = createHost(options);
      await host.start();
      const threads = new AttemptThreads({ threads: 1, open: () => openDeliveryThread(readOptions(options)),
        log: host.parts.settings.log, clock: host.parts.settings.clock, onUndeclared: () => {} });
      const delivery = { id: 'd', installationId: 'i', eventId: 'e', eventSeq: 1, eventAt: 1, attempts: 0,
        expiresAt: Date.now() + 1e6, replayId: null };
      console.log((await threads.make(delivery, false, 0)).record.reason);
      await threads.close();
      await host.close();
      console.log('closed');`;
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [
        ...['--import', 'tsx', '--input-type=module', '--eval', program],
        join(temporaryFolder(), 'mortise.db'),
      ],
      { timeout: 40_000 },
    );
    expect(stdout).to.equal('event_expired\nclosed\n');
  }).timeout(45_000);
});

describe('a thread that dies', () => {
  const delivery = { id: 'd', installationId: 'i', eventId: 'e' } as OwedDelivery;
  const attemptsOf = (open: () => Worker) =>
    new AttemptThreads({
      threads: 1,
      open,
      log: pino({ level: 'silent' }),
      clock: { now: () => 1_000 },
      onUndeclared: () => {},
    });

  it('has said all it had to say, even if its end is heard of before', async () => {
    const worker = Object.assign(new EventEmitter(), { ref() {}, unref() {}, postMessage() {} });
    const attempts = attemptsOf(() => worker as unknown as Worker);
    const made = attempts.make(delivery, false, 0).catch((error: unknown) => error);
    await new Promise((resolve) => setImmediate(resolve));
    worker.emit('error', new Error('no memory'));
    worker.emit('message', { kind: 'made', results: [[1, 7]] });
    expect(await made).to.be.instanceOf(AttemptBroken);
  });

  it('or cannot be started, fails what it was asked for, and holds up nobody who changes a grant', async () => {
    const attempts = attemptsOf(() => {
      throw new Error('too many threads');
    });
    const [failure] = await Promise.allSettled([attempts.make(delivery, false, 0)]);
    expect(failure).to.have.nested.property('reason.cause.message', 'too many threads');
    await attempts.settle();
    await attempts.close();
  });

  it('is not waited for by who changes a grant', async () => {
    const attempts = attemptsOf(
      () => new Worker("setTimeout(() => { throw new Error('late') }, 50)", { eval: true }),
    );
    const made = attempts.make(delivery, false, 0).catch(() => undefined);
    await new Promise((resolve) => setImmediate(resolve));
    await attempts.settle();
    await made;
  });

  it('fails what it was asked for as a fault of the host, and another takes its place', async () => {
    let started = 0;
    const attempts = new AttemptThreads({
      threads: 1,
      open() {
        started++;
        const program =
          started === 1
            ? 'throw new Error("no memory")'
            : `const { parentPort } = require('node:worker_threads');
               parentPort.on('message', (asked) => {
                 if (asked === 'close') return parentPort.close();
                 const results = asked.attempts.map(([ticket]) => [ticket, 7]);
                 parentPort.postMessage({ kind: 'made', results });
               });`;
        return new Worker(program, { eval: true });
      },
      log: pino({ level: 'silent' }),
      clock: { now: () => 1_000 },
      onUndeclared: () => {},
    });
    const failures = await Promise.allSettled([
      attempts.make(delivery, false, 0),
      attempts.make(delivery, false, 0),
    ]);
    for (const failure of failures) {
      expect(failure).to.have.property('reason').that.is.instanceOf(AttemptBroken);
      expect(failure).to.have.nested.property('reason.cause.message', 'no memory');
    }
    expect(await attempts.make(delivery, false, 0)).to.have.property('bytes', 7);
    expect(started).to.equal(2);
    await attempts.close();
  });
});

describe('an attempt that kills its thread', () => {
  const PROGRAM = `const { parentPort } = require('node:worker_threads');
    parentPort.postMessage({ kind: 'ready' });
    parentPort.on('message', (asked) => {
      if (asked === 'close') return parentPort.close();
      if (asked === 'settle') return parentPort.postMessage({ kind: 'settled' });
      // Later, so that it was heard to be ready before.
      const isBad = asked.attempts.some(([, , , id]) => id === 'bad');
      if (isBad) return setTimeout(() => { throw new Error('killed'); }, 50);
      parentPort.postMessage({ kind: 'made', results: asked.attempts.map(([ticket]) => [ticket, 7]) });
    });`;
  const delivery = (id: string) =>
    ({ id, installationId: 'i', eventId: id, attempts: 2, expiresAt: 1e9 }) as OwedDelivery;
  let started: number;
  let attempts: AttemptThreads;

  beforeEach(() => {
    started = 0;
    attempts = new AttemptThreads({
      threads: 1,
      open() {
        started++;
        return new Worker(PROGRAM, { eval: true });
      },
      log: pino({ level: 'silent' }),
      clock: { now: () => 1_000 },
      onUndeclared: () => {},
    });
  });
  afterEach(() => attempts.close());

  const make = (id: string) => attempts.make(delivery(id), false, 0);

  it('is found among those that were under way, and counted; the others are made', async () => {
    const ids = ['a', 'b', 'bad', 'c', 'd'];
    const made = await Promise.all(ids.map(make));
    for (const [i, { bytes, record }] of made.entries()) {
      expect(record.delivery.id).to.equal(ids[i]);
      expect(bytes).to.equal(ids[i] === 'bad' ? 0 : 7);
    }
    expect(made[2]!.record).to.include({ number: 3, outcome: 'retry', reason: 'thread_died' });
    expect(made[2]!.record.nextDueAt).to.be.above(1_000);
    // The one that died, the one beside it, that one again.
    expect(started).to.equal(3);
    expect(await make('e')).to.have.property('bytes', 7);
  });

  it('is counted at once if it was alone', async () => {
    const { record } = await make('bad');
    expect(record).to.include({ number: 3, outcome: 'retry', reason: 'thread_died' });
    expect(started).to.equal(1);
  });

  it('is waited for where it is made alone by who changes a grant', async () => {
    const made = Promise.all(['a', 'bad'].map(make));
    await until(() => started === 2, 'the thread beside');
    let settled = 0;
    const { settle } = AttemptThread.prototype;
    AttemptThread.prototype.settle = function () {
      settled++;
      return settle.call(this);
    };
    await attempts.settle();
    AttemptThread.prototype.settle = settle;
    expect(settled).to.equal(2);
    await made;
  });
});

describe('the option deliveryThreads', () => {
  for (const [threads, more] of [
    [-1, {}],
    [1.5, {}],
    [32, {}],
    [1, { clock: { now: () => 0 } }],
  ] as const) {
    it(`refuses ${threads}${'clock' in more ? ' with a clock of the caller’s own' : ''}`, async () => {
      const refused = await startHost({ deliveryThreads: threads, ...more }).catch(
        (error: unknown) => error,
      );
      expect(refused).to.have.property('code', 'option_invalid');
      expect(refused).to.have.property('message').that.includes('deliveryThreads');
    });
  }
});
