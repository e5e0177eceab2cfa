// Memory of a process that delivers, when a million deliveries are owed to add-ons that are dead, to when none is.
// What trying costs by itself shows in between: the same add-ons, owed one event.
import { setTimeout as wait } from 'node:timers/promises';
import type { OpenRow } from '../plan.ts';
import { startProcess } from '../processes/parent.ts';
import { median } from '../rounds.ts';
import { makeBacklog, PER_EVENT } from './backlog.ts';

const SAMPLES = 10;

/** A process is started anew for each side of each round. */
export const backlogMemory: OpenRow = async (plan) => {
  const backlog = plan.isQuick ? 200_000 : 1_000_000;
  const settleMs = plan.isQuick ? 2_000 : 5_000;
  const large = await makeBacklog(plan, backlog);
  const oneEvent = await makeBacklog(plan, PER_EVENT);
  const empty = await makeBacklog(plan, 0);
  const memory: Record<'large' | 'oneEvent', number[]> = { large: [], oneEvent: [] };

  const memoryOf = async (database: string) => {
    const engine = await startProcess('delivery/arms/engine.ts', { database });
    const samples: number[] = [];
    await wait(settleMs);
    for (let i = 0; i < SAMPLES; i++) {
      await wait(100);
      samples.push(await engine.ask<number>('memory'));
    }
    await engine.close();
    return median(samples);
  };
  return {
    bench: 'backlog-memory',
    of: 'the same with nothing owed',
    unit: 'MiB resident',
    rounds: plan.isQuick ? 3 : 5,
    // Each starts cold, so there is nothing to warm.
    warmUp: async () => undefined,
    async measured() {
      memory.oneEvent.push(await memoryOf(oneEvent.database));
      const measured = await memoryOf(large.database);
      memory.large.push(measured);
      return measured;
    },
    baseline: () => memoryOf(empty.database),
    extra: () => ({
      backlog,
      toOneEvent: median(memory.large) / median(memory.oneEvent),
    }),
    close: () => undefined,
  };
};
