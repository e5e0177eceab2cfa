// One real host in a process of its own, one add-on for each behaviour, one event: what does the log say?
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { operatorOf } from '../../examples/story/operator.ts';
import { type FakeAddon, fakeAddon } from '../helpers/fake-addon.ts';
import { PUSH } from '../helpers/installed-addon.ts';
import { MORTISE, type RunningProcess, startProcess } from '../helpers/process.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';
import { until } from '../helpers/until.ts';
import { BEHAVIOURS, behavioursTable } from './behaviours.ts';
import { PLAYED, startTortureServer, type TortureServer } from './server.ts';

/** Nothing is waited for longer than this; the rest is for a machine that is busy. */
const TOTAL_MS = 15_000;
/** How late a busy machine looks at an answer. */
const LATE_S = 5;
const GROWTH_MB = 64;
/** A healthy add-on is told while the others do their worst. */
const HEALTHY_MS = 2_000;

interface LoggedAttempt {
  number: number;
  outcome: string;
  status: number | null;
  reason: string | null;
  message: string | null;
  durationMs: number;
  at: string;
  nextAttemptAt: string | null;
}

describe('a host among hostile endpoints', function () {
  this.timeout(120_000);
  let torture: TortureServer;
  let healthy: FakeAddon;
  let host: RunningProcess;
  const attempts = new Map<string, LoggedAttempt>();
  const healthyMs: number[] = [];
  let rssBefore = 0;
  let rssMost = 0;

  /** MB that the host has in memory, as Linux tells. */
  function residentMegabytes(): number {
    const status = readFileSync(`/proc/${host.child.pid}/status`, 'utf8');
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)![1]) / 1024;
  }

  before(async () => {
    torture = await startTortureServer();
    healthy = await fakeAddon({ key: 'healthy' });
    const data = temporaryFolder();
    const authorities = join(data, 'authorities.pem');
    writeFileSync(authorities, torture.trusted);
    host = startProcess(
      [
        ...[MORTISE, 'serve', '--dev', '--platform', 'platforms/bitbucket.json'],
        ...['--port', '0', '--data', data],
      ],
      { NODE_EXTRA_CA_CERTS: authorities },
    );
    const [, url] = await host.waitFor(/^mortise listening on (\S+)$/m);
    const operator = operatorOf(url!, readFileSync(join(data, 'operator-token'), 'utf8'));

    const keys = new Map<string, string>();
    for (const { path } of BEHAVIOURS) {
      const descriptor = torture.descriptorOf(path);
      const { status, json } = await operator('POST', '/installations', {
        descriptor,
        context: 'acme',
      });
      expect(status, JSON.stringify(json)).to.equal(201);
      keys.set(descriptor.key as string, path);
    }
    await operator('POST', '/installations', {
      descriptorUrl: healthy.descriptorUrl,
      context: 'calm',
    });
    await operator('POST', '/events', { ...PUSH, context: 'calm', resource: 'calm/site' });
    await healthy.waitFor('/hook');

    rssBefore = residentMegabytes();
    await operator('POST', '/events', PUSH);
    await until(
      async () => {
        const sent = Date.now();
        await operator('POST', '/events', { ...PUSH, context: 'calm', resource: 'calm/site' });
        await healthy.waitFor('/hook', healthyMs.length + 2);
        healthyMs.push(Date.now() - sent);
        rssMost = Math.max(rssMost, residentMegabytes());
        for (const state of ['delivered', 'retrying', 'failed']) {
          const { json } = await operator('GET', `/deliveries?state=${state}&limit=100`);
          for (const { id, addonKey } of json.items) {
            const path = keys.get(addonKey);
            if (path === undefined || attempts.has(path)) continue;
            const shown = (await operator('GET', `/deliveries/${id}`)).json;
            attempts.set(
              path,
              shown.attempts.find(({ number }: LoggedAttempt) => number === 1),
            );
          }
        }
        return attempts.size === BEHAVIOURS.length;
      },
      'the first attempt of each',
      90_000,
    );
  });
  after(async () => {
    await host?.kill('SIGKILL');
    await torture?.stop();
    await healthy?.stop();
  });

  for (const behaviour of BEHAVIOURS) {
    const { path, does, outcome, status, reason, message, nextWithinS } = behaviour;
    it(`logs ${reason ?? outcome} where one ${does}`, () => {
      const attempt = attempts.get(path)!;
      expect(attempt).to.deep.include({ outcome, status, reason, message });
      expect(attempt.durationMs).to.be.below(TOTAL_MS + 1_000);
      if (nextWithinS) {
        const waitS = (Date.parse(attempt.nextAttemptAt!) - Date.parse(attempt.at)) / 1_000;
        // It begins when the answer is looked at: on a slow machine a moment after it came.
        expect(waitS).to.be.within(nextWithinS[0], nextWithinS[1] + LATE_S);
      }
    });
  }

  it('keeps a healthy add-on served meanwhile', () => {
    expect(healthyMs.length).to.be.above(5);
    expect(Math.max(...healthyMs)).to.be.below(HEALTHY_MS);
  });

  it('needs no more memory for them', () => {
    expect(rssMost - rssBefore).to.be.below(GROWTH_MB);
  });

  it('follows no redirect', () => {
    expect(torture.requestsTo('/redirect-loop')).to.be.above(0);
    expect(torture.requestsTo('/redirect-loop?followed')).to.equal(0);
  });
});

describe('the torture server', () => {
  it('plays just the behaviours of the table', () => {
    const paths = BEHAVIOURS.map(({ path }) => path.split('?')[0]);
    expect([...new Set(paths)].sort()).to.deep.equal([...PLAYED].sort());
  });

  it('has its table in README, as it is', () => {
    expect(readFileSync('README.md', 'utf8')).to.contain(behavioursTable());
  });
});
