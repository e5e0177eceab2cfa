// Which event types each webhook is told of, under a grant: the named ones and `*`, as far as the scopes
// reach. Two webhooks with one address tell it once.
import type { Platform } from '../platform/platform.ts';
import type { Subscription, WebhookRow } from '../store/rows.ts';
import type { HostParts } from './parts.ts';

export function planSubscriptions(
  webhooks: Pick<WebhookRow, 'id' | 'event' | 'url'>[],
  scopes: string[],
  platform: Platform,
): Subscription[] {
  const granted = platform.scopes.closure(scopes);
  const subscriptions: Subscription[] = [];
  for (const [eventType, { scope }] of platform.events) {
    if (!granted.has(scope)) continue;
    const told = new Set<string>();
    // The named webhook comes before the wildcard.
    const matching = webhooks
      .filter(({ event }) => event === eventType || event === '*')
      .sort((a, b) => Number(a.event === '*') - Number(b.event === '*'));
    for (const { id, url } of matching) {
      if (told.has(url)) continue;
      told.add(url);
      subscriptions.push({ eventType, webhookId: id });
    }
  }
  return subscriptions;
}

/** @param scopes Default: those granted now. */
export async function subscriptionsOf(
  installationId: string,
  { store, settings }: HostParts,
  scopes?: string[],
): Promise<Subscription[]> {
  const granted = scopes ?? (await store.installations.findGrant(installationId))?.scopes ?? [];
  const webhooks = await store.installations.findWebhooks(installationId);
  return planSubscriptions(webhooks, granted, settings.platform);
}
