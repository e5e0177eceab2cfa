// How an installation's deliveries fare, in one word and what belongs to it.
import type { DeliveryHealth } from '../store/rows.ts';
import type { HostParts } from './parts.ts';

/**
 * `failing`: tried again, at its usual pace · `silent`: the add-on asked for silence (Retry-After) · `open`: the breaker
 * lets single probes through · `paused`: no success for days, probed every hour · `off`: it answered 410 for every webhook
 */
export type DeliveryStanding = 'well' | 'failing' | 'silent' | 'open' | 'paused' | 'off';

export interface DeliveryReport {
  state: DeliveryStanding;
  /** Since when it fails; before the breaker opens, when the oldest event that is tried again was published. */
  since: number | null;
  /** In a row. */
  failures: number;
  nextProbeAt: number | null;
  silentUntil: number | null;
  webhooksOff: { id: string; event: string; url: string; since: number }[];
}

export async function deliveryReport(
  installationId: string,
  { store, settings }: HostParts,
): Promise<DeliveryReport> {
  const health = await store.deliveries.health(installationId);
  const webhooks = await store.installations.findWebhooks(installationId);
  return reportOf(health, webhooks.length, settings.clock.now());
}

export function reportOf(
  { lane, retrying, webhooksOff }: DeliveryHealth,
  webhooks: number,
  now: number,
): DeliveryReport {
  const silentUntil = (lane?.silentUntil ?? 0) > now ? lane!.silentUntil : null;
  return {
    state: standingOf(),
    since: lane?.failingSince ?? retrying?.since ?? null,
    failures: lane?.failures || (retrying?.attempts ?? 0),
    nextProbeAt: lane?.openUntil ?? null,
    silentUntil,
    webhooksOff: webhooksOff.map(({ id, event, url, offSince }) => ({
      id,
      event,
      url,
      since: offSince!,
    })),
  };

  function standingOf(): DeliveryStanding {
    if (lane && lane.pausedAt !== null) return 'paused';
    if (lane && lane.openUntil !== null) return 'open';
    if (webhooksOff.length > 0 && webhooksOff.length === webhooks) return 'off';
    if (silentUntil !== null) return 'silent';
    return (lane && lane.failures > 0) || retrying ? 'failing' : 'well';
  }
}
