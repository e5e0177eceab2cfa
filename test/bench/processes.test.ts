import { expect } from 'chai';
import { closeProcesses, startProcess } from '../../bench/processes/parent.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';
import { until } from '../helpers/until.ts';

const FILE = '../test/bench/answering.ts';

async function refused(answer: Promise<unknown>): Promise<string> {
  return answer.then(
    () => expect.fail('it was answered'),
    (error: Error) => error.message,
  );
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

describe('a process of the benchmarks', () => {
  after(closeProcesses);

  it('answers several questions at once, and its faults are errors here', async () => {
    const child = await startProcess(FILE, { greeting: 'hello' });
    const [late, soon] = await Promise.all([child.ask('late', 'a'), child.ask('soon', 'b')]);
    expect([late, soon]).to.deep.equal(['hello a', 'hello b']);
    expect(await refused(child.ask('fault'))).to.contain('It went wrong.');
    expect(await child.ask<number>('cpu')).to.be.above(0);
  });

  it('is not waited for without end', async () => {
    const child = await startProcess(FILE, {});
    expect(await refused(child.ask('never', undefined, 50))).to.contain('within 0.05 s');
    expect(await child.ask('soon', 'b'), 'it still answers').to.contain('b');
  });

  it('is known to have ended', async () => {
    const child = await startProcess(FILE, {});
    expect(await refused(child.ask('die'))).to.contain('has ended (SIGKILL)');
    expect(await refused(child.ask('soon'))).to.contain('has ended');
  });

  it('ends what it has started when it is closed, and its parent does if it is killed', async () => {
    for (const end of ['close', 'die'] as const) {
      const child = await startProcess(FILE, { folder: temporaryFolder(), withServer: true });
      const server = await child.ask<number>('server');
      expect(isRunning(server)).to.equal(true);
      await (end === 'close' ? child.close() : refused(child.ask('die')));
      await until(() => !isRunning(server), `the server to end after ${end}`);
    }
  });
});
