// How long after publish() the receiver has the event, when nothing else happens, to a fetch that nothing precedes.
import { setTimeout as wait } from 'node:timers/promises';
import type { OpenRow } from '../plan.ts';
import { type BenchProcess, startProcess } from '../processes/parent.ts';
import { median } from '../rounds.ts';
import { benchAddons } from './addons.ts';
import { ORIGINS } from './arm.ts';
import { startArm } from './deliveries.ts';
import type { SinkReport } from './sink.ts';

const ADDONS = 8;
/** Longer than any of them takes, so that one never waits for another. */
const EVERY_MS = 20;

export const firstByte: OpenRow = async (plan) => {
  const sink = await startProcess('delivery/sink.ts', { origins: ORIGINS, hung: 0 });
  const { origins } = await sink.ask<{ origins: string[] }>('addresses');
  const addons = benchAddons(ADDONS, origins, 'own');
  const mortise = await startArm('delivery/arms/mortise.ts', plan, addons);
  const naive = await startArm('delivery/arms/naive.ts', plan, addons);
  const events = plan.isQuick ? 60 : 200;

  const medianAge = (arm: BenchProcess) => async () => {
    await sink.ask('expect', { isAged: true });
    await arm.ask('spaced', { events, everyMs: EVERY_MS });
    await sink.ask('reached', events);
    await wait(EVERY_MS);
    return median((await sink.ask<SinkReport>('report')).ages);
  };
  return {
    bench: 'first-byte',
    of: 'a fetch right away, nothing kept',
    unit: 'ms, the median of events published one by one',
    rounds: plan.isQuick ? 3 : 7,
    measured: medianAge(mortise),
    baseline: medianAge(naive),
    close: () => Promise.all([mortise.close(), naive.close(), sink.close()]),
  };
};
