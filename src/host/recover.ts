// Declares an add-on's endpoint well, in one call: breaker, silence and pause end, webhooks that a 410 switched off are
// on again, and what did not arrive since a time is sent again.
import type { ReplayAllowed, ReplayRow } from '../store/replay-rows.ts';
import { getInstalled, noticeOwed, withInstalled } from './change-installation.ts';
import { type DeliveryReport, deliveryReport } from './delivery-health.ts';
import type { HostParts } from './parts.ts';
import { startReplay } from './replay.ts';
import { subscriptionsOf } from './subscriptions.ts';

export interface Recovered {
  webhooksOn: string[];
  replay: ReplayRow | undefined;
  delivery: DeliveryReport;
}

/**
 * @param since milliseconds since 1970; without it nothing is replayed, and while a replay to it runs no other is begun
 * @throws installation_not_found, installation_not_installed, installation_changing
 */
export async function recover(
  id: string,
  { since, allowed }: { since?: number; allowed?: ReplayAllowed },
  parts: HostParts,
): Promise<Recovered> {
  const { store, settings } = parts;
  const found = await getInstalled(id, parts);
  const { webhooksOn } = await withInstalled(found, parts, async (installation) => {
    const subscriptions = installation.state === 'enabled' ? await subscriptionsOf(id, parts) : [];
    return store.installations.recover(id, {
      at: settings.clock.now(),
      expectedEpoch: installation.epoch,
      subscriptions,
      ifPaused: await noticeOwed(id, 'webhooksResumed', parts),
    });
  });
  parts.wake();
  const replay =
    since === undefined
      ? undefined
      : ((await runningReplay(id, parts)) ??
        (await startReplay({ installationId: id, since, allowed }, parts)));
  return { webhooksOn, replay, delivery: await deliveryReport(id, parts) };
}

async function runningReplay(id: string, { store }: HostParts): Promise<ReplayRow | undefined> {
  const running = await store.replays.running();
  return running.find((row) => row.installationId === id && row.deliveryId === null);
}
