// Reading the next deliveries owed to one installation when a million are owed in all, to when twenty thousand are.
import type { OpenRow, Plan } from '../plan.ts';
import { openHost } from '../seeded-host.ts';
import { makeBacklog } from './backlog.ts';

const SMALL = 20_000;
const REFILLS = 300;
const WINDOW = 64;

export const backlogRefill: OpenRow = async (plan) => {
  const backlog = plan.isQuick ? 200_000 : 1_000_000;
  const large = await openBacklog(plan, backlog);
  const small = await openBacklog(plan, SMALL);
  return {
    bench: 'backlog-refill',
    of: `the same at a backlog of ${SMALL.toLocaleString('en')}`,
    unit: `ms to read the next ${WINDOW} deliveries of an installation`,
    rounds: plan.isQuick ? 5 : 15,
    measured: () => large.refill(REFILLS),
    baseline: () => small.refill(REFILLS),
    extra: () => ({ backlog }),
    close: () => Promise.all([large.close(), small.close()]),
  };
};

async function openBacklog(plan: Plan, deliveries: number) {
  const { database, addons } = await makeBacklog(plan, deliveries);
  const host = openHost(database);
  return {
    /** @returns ms each. */
    async refill(count: number): Promise<number> {
      const start = performance.now();
      for (let i = 0; i < count; i++) {
        const { installationId } = addons[i % addons.length]!;
        const { due } = await host.parts.store.deliveries.window(
          installationId,
          Date.now(),
          WINDOW,
        );
        if (due.length !== WINDOW) throw new Error(`${due.length} instead of ${WINDOW} are due.`);
      }
      return (performance.now() - start) / count;
    },
    close: () => host.close(),
  };
}
