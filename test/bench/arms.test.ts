// The arms that need nothing but this package: what each delivers is complete and rightly signed.
import { expect } from 'chai';
import { type BenchAddon, benchAddons } from '../../bench/delivery/addons.ts';
import { ORIGINS } from '../../bench/delivery/arm.ts';
import { runArm } from '../../bench/delivery/run-arm.ts';
import type { ReceivedRequest, SinkReport } from '../../bench/delivery/sink.ts';
import { verifySample } from '../../bench/delivery/verify-sample.ts';
import { type BenchProcess, closeProcesses, startProcess } from '../../bench/processes/parent.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';

const ADDONS = 5;

describe('an arm of the benchmarks', function () {
  this.timeout(60_000);
  let sink: BenchProcess;
  let origins: string[];

  before(async () => {
    sink = await startProcess('delivery/sink.ts', { origins: ORIGINS, hung: 0 });
    ({ origins } = await sink.ask<{ origins: string[] }>('addresses'));
  });
  after(closeProcesses);

  const arm = (name: string, addons: BenchAddon[]) =>
    startProcess(`delivery/arms/${name}.ts`, { addons, folder: temporaryFolder() });

  for (const name of ['mortise', 'ceiling', 'naive']) {
    it(`delivers every event once, signed for the add-on it concerns: ${name}`, async () => {
      const addons = benchAddons(ADDONS, origins, 'own');
      const run = await runArm(await arm(name, addons), sink, addons, {
        events: 12,
        fanOut: 'one',
      });
      expect(run.repeated).to.equal(0);
      expect(run.speed).to.be.above(0);
      expect((await sink.ask<SinkReport>('report')).received).to.equal(12);
    });

    it(`delivers one event to all add-ons of its context: ${name}`, async () => {
      const addons = benchAddons(ADDONS, origins, 'shared');
      await runArm(await arm(name, addons), sink, addons, { events: 3, fanOut: 'all' });
      expect((await sink.ask<SinkReport>('report')).received).to.equal(3 * ADDONS);
    });
  }

  it('is found out when a signature is wrong', async () => {
    const addons = benchAddons(ADDONS, origins, 'own');
    await runArm(await arm('ceiling', addons), sink, addons, { events: 1, fanOut: 'one' });
    const { sample } = await sink.ask<SinkReport>('report');
    const [request] = sample as [ReceivedRequest];
    verifySample(sample, addons);

    const withHead = (from: string | RegExp, to: string) => () =>
      verifySample([{ ...request, head: request.head.replace(from, to) }], addons);
    expect(() => verifySample([{ ...request, body: `${request.body} ` }], addons)).to.throw(
      'webhook-signature',
    );
    expect(withHead('/addon-0/', '/addon-1/')).to.throw('webhook-signature');
    expect(withHead('/addon-0/', '/addon-9/')).to.throw('nobody has this address');
    expect(withHead(/authorization: JWT \S+/, 'authorization: JWT e30.e30.')).to.throw('JWT');
    expect(withHead(/(256: sha256=)\w+/, '$1beef')).to.throw('x-hub-signature-256');
    expect(() => verifySample([], addons)).to.throw('No request');
  });
});
