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
  | { ok: false; reason: DropReason; message: string; refuses: Refused | undefined };

/** What else that is owed to this installation could not pass either. */
export type Refused = 'all' | { eventsUpTo: number; webhookId: string; sparesNow?: boolean };

export function decideGate(
  event: EventRow,
  { installation, grant, webhooks }: Recipient,
  { webhookId, eventSeq, allowed }: Pick<OwedDelivery, 'webhookId' | 'eventSeq' | 'allowed'>,
  platform: Platform,
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
  if (webhook.offSince !== null) {
    return {
      ok: false,
      reason: 'webhook_off',
      message: 'The add-on answered 410: it wants no more of this webhook.',
      refuses: { eventsUpTo: eventSeq, webhookId },
    };
  }
  // A replay of what is allowed now asks nothing of then.
  if (eventSeq <= webhook.sinceSeq && allowed !== 'now') {
    return {
      ok: false,
      reason: 'before_installation',
      message: 'The event was published before this installation.',
      refuses: { eventsUpTo: webhook.sinceSeq, webhookId, sparesNow: true },
    };
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
  return { ok: false, reason, message, refuses: undefined };
}

function dropAll(reason: DropReason, message: string): GateDecision {
  return { ok: false, reason, message, refuses: 'all' };
}
