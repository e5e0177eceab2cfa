// Asked when the request is about to get its socket: may this installation still be told? Pure. The
// answer rests on rows read a moment ago; their epoch is compared again before the first byte.
import type { EventType, Platform } from '../platform/platform.ts';
import type { EventRow, OwedDelivery, Recipient, WebhookRow } from '../store/rows.ts';

export type DropReason =
  | 'uninstalled'
  | 'disabled'
  | 'not_installed'
  | 'webhook_removed'
  | 'webhook_off'
  | 'before_installation'
  | 'event_type_unknown'
  | 'scope_not_granted'
  | 'resource_not_granted';

export type GateDecision =
  | { ok: true; eventType: EventType; webhook: WebhookRow }
  /** `isForAll`: nothing else that is owed to this installation could pass either. */
  | { ok: false; reason: DropReason; message: string; isForAll: boolean };

/** @param allowed 'now': what was granted when the event was published does not count (a replay) */
export function decideGate(
  event: EventRow,
  { installation, grant, webhooks }: Recipient,
  webhookId: string,
  platform: Platform,
  allowed: OwedDelivery['allowed'] = null,
): GateDecision {
  if (installation.state === 'uninstalled')
    return dropAll('uninstalled', 'The add-on has been uninstalled.');
  if (installation.state === 'disabled')
    return dropAll('disabled', 'The installation is disabled.');
  if (installation.state !== 'enabled' || !grant)
    return dropAll('not_installed', 'The installation is not complete.');
  const webhook = webhooks.get(webhookId);
  if (!webhook || webhook.until !== null)
    return drop('webhook_removed', 'The descriptor no longer declares this webhook.');
  if (webhook.offSince !== null)
    return drop('webhook_off', 'The add-on answered 410: it wants no more of this webhook.');
  if (event.createdAt < webhook.since && allowed !== 'now') {
    return drop('before_installation', 'The event was published before this installation.');
  }
  if (event.context !== installation.context) {
    return drop('resource_not_granted', 'The event belongs to another context.');
  }
  const eventType = platform.events.get(event.type);
  if (!eventType)
    return drop('event_type_unknown', `The platform no longer has the event type "${event.type}".`);
  if (!platform.scopes.covers(grant.scopes, eventType.scope)) {
    return drop(
      'scope_not_granted',
      `"${event.type}" needs scope "${eventType.scope}", which is not granted any more.`,
    );
  }
  if (
    grant.resources !== null &&
    (event.resource === null || !grant.resources.includes(event.resource))
  ) {
    return drop(
      'resource_not_granted',
      `The grant does not cover the resource "${event.resource ?? 'none'}".`,
    );
  }
  return { ok: true, eventType, webhook };
}

function drop(reason: DropReason, message: string): GateDecision {
  return { ok: false, reason, message, isForAll: false };
}

function dropAll(reason: DropReason, message: string): GateDecision {
  return { ok: false, reason, message, isForAll: true };
}
