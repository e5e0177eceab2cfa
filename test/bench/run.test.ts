import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { expect } from 'chai';
import { startProcess } from '../helpers/process.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';
import { until } from '../helpers/until.ts';

const bench = (args: string[], env: Record<string, string> = {}) =>
  startProcess(['--import', 'tsx', 'bench/run.ts', ...args], env);

describe('npm run bench', function () {
  this.timeout(60_000);

  it('names the rows there are when it is asked for another', async () => {
    const run = bench(['deliveries-ceiling', 'no-such-row']);
    expect(await run.ended()).to.equal(2);
    expect(run.output()).to.contain('There is no row "no-such-row". Rows: deliveries-ceiling, ');
  });

  it('measures the rows it is asked for, one JSON line each', async () => {
    const run = bench(['--quick', 'descriptor-validation']);
    expect(await run.ended()).to.equal(0);
    const lines = run.output().split('\n');
    const figures = lines.filter((line) => line.startsWith('{"bench"')).map((l) => JSON.parse(l));
    expect(figures).to.have.length(1);
    const { bench: name, ratio, of, unit, rounds, min, max } = figures[0];
    expect({ name, rounds, unit }).to.deep.equal({
      name: 'descriptor-validation',
      rounds: 5,
      unit: 'validations/s',
    });
    expect(of).to.contain('JSON.parse');
    expect(min).to.be.at.most(ratio);
    expect(max).to.be.at.least(ratio);
    expect(run.output()).to.contain('short runs flatter');
  });

  it('skips loudly what this machine has no Redis for', async () => {
    const path = temporaryFolder();
    const run = bench(['--quick', 'deliveries-bullmq'], { PATH: path });
    expect(await run.ended()).to.equal(0);
    const needsPeers = !existsSync('bench/peers/node_modules/.package-lock.json');
    const because = needsPeers ? 'npm ci in bench/peers' : 'redis-server is not installed';
    expect(run.output()).to.match(
      new RegExp(`^{"bench":"deliveries-bullmq","skipped":"${because}`, 'm'),
    );
    expect(run.output()).to.contain('SKIPPED');
  });

  it('ends its processes and removes its files when it is stopped', async () => {
    const folder = `${temporaryFolder()}/tmp`;
    mkdirSync(folder);
    const run = bench(['--quick', 'deliveries-ceiling'], { TMPDIR: folder });
    await run.waitFor(/deliveries-ceiling …/, 60_000);
    const children = childrenOf(run.child.pid!);
    expect(children.length, 'a receiver and two arms').to.be.at.least(3);
    await run.kill('SIGTERM');
    expect(run.child.exitCode).to.equal(1);
    expect(run.output(), 'no figure is said to have failed').not.to.match(/failed/i);
    await until(() => children.every((pid) => !existsSync(`/proc/${pid}`)), 'its processes to end');
    const left = readdirSync(folder).filter((name) => name.startsWith('mortise-bench-'));
    expect(left).to.deep.equal([]);
  });
});

function childrenOf(pid: number): string[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean);
}

describe('the package of the peers', () => {
  it('names no registry host', () => {
    expect(readFileSync('bench/peers/package-lock.json', 'utf8')).not.to.match(/"resolved"/);
  });
});
