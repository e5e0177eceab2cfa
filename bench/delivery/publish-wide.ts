// What publishing costs when ten thousand installations match, to when one does. The engine is not running: fan-out
// comes after publish, and would be measured with it.
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import type { OpenRow, Plan } from '../plan.ts';
import { median } from '../rounds.ts';
import { openHost } from '../seeded-host.ts';
import { benchAddons } from './addons.ts';
import { installAddons } from './install-addons.ts';
import { EVENT_TYPE, pushPayload } from './push-event.ts';

/** Nobody listens there; nothing is sent. */
const ORIGINS = ['http://127.0.0.1:9'];

export const publishWide: OpenRow = async (plan) => {
  const matching = plan.isQuick ? 1_000 : 10_000;
  const publishes = plan.isQuick ? 50 : 100;
  const wide = await openInstalled(plan, matching);
  const narrow = await openInstalled(plan, 1);
  return {
    bench: 'publish-wide',
    of: `the same when 1 matches instead of ${matching.toLocaleString('en')}`,
    unit: 'ms a publish',
    rounds: plan.isQuick ? 11 : 31,
    measured: () => wide.publishOneByOne(publishes),
    baseline: () => narrow.publishOneByOne(publishes),
    extra: () => ({ matching }),
    close: () => Promise.all([wide.host.close(), narrow.host.close()]),
  };
};

async function openInstalled(plan: Plan, count: number) {
  const host = openHost(join(mkdtempSync(join(plan.folder, 'publish-')), 'mortise.db'));
  const addons = benchAddons(count, ORIGINS, 'shared');
  await installAddons(host, addons);
  const { context } = addons[0]!;
  const payload = pushPayload();
  return {
    host,
    /** @returns ms, the median: a disk that is busy with something else for a moment is not what is measured. */
    async publishOneByOne(publishes: number): Promise<number> {
      const times: number[] = [];
      for (let i = 0; i < publishes; i++) {
        const start = performance.now();
        await host.publish({ type: EVENT_TYPE, context, resource: 'team/site', payload });
        times.push(performance.now() - start);
      }
      return median(times);
    },
  };
}
