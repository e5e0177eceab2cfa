// An explanation as one sentence or two, for people. Times are ISO 8601, UTC.
import { isoTime } from '../core/clock.ts';
import type { Platform } from '../platform/platform.ts';
import type { ExplainedEvent, ToldFacts } from '../store/explanation-rows.ts';
import type { Withheld } from '../store/rows.ts';
import type { ExplainedDelivery, Explanation } from './explain.ts';
import type { Because } from './standing.ts';

interface Subject {
  event: ExplainedEvent;
  facts: ToldFacts;
  platform: Platform;
}

export function describe(explanation: Explanation, subject: Subject): string {
  const { state, because, today } = explanation;
  const [first] = explanation.deliveries;
  if (state === 'notSent')
    return describeBecause(because!, subject) + afterPublishing(because!, subject);
  if (state !== 'owed')
    return describeEnd(first!) + (because ? ` ${describeBecause(because, subject)}` : '');
  const refusal = today.wouldBeSent
    ? ''
    : ` As things stand it will be dropped: ${describeBecause(today.because, subject)}`;
  return (first ? describeWait(first) : NOT_FANNED_OUT) + refusal;
}

/** Of one delivery. */
export function describeDelivery(delivery: ExplainedDelivery): string {
  return delivery.wait ? describeWait(delivery) : describeEnd(delivery);
}

export function describeBecause(
  { reason, since, until }: Because,
  { event, facts, platform }: Subject,
): string {
  const from = since === null ? '' : ` at ${isoTime(since)}`;
  const again = (how: string) => (until === null ? '' : ` and ${how} only at ${isoTime(until)}`);
  const later = until === null ? '' : isoTime(until);
  const type = `"${event.type}"`;
  const needs = `${type} needs scope "${platform.events.get(event.type)?.scope}", which`;
  switch (reason) {
    case 'other_context':
      return `The event happened in "${event.context}"; this is an installation in "${facts.installation.context}".`;
    case 'not_installed':
      return 'It was never installed completely.';
    case 'installed_later':
      return `It was installed only at ${later}, after the event.`;
    case 'uninstalled':
      return `It was uninstalled${from}${again('installed again')}.`;
    case 'disabled':
      return `It was disabled${from}${again('enabled again')}.`;
    case 'not_subscribed':
      return `Its descriptor declares no webhook for ${type}.`;
    case 'webhook_declared_later':
      return `Its descriptor declares a webhook for ${type} only since ${later}.`;
    case 'webhook_removed':
      return `Its descriptor stopped declaring a webhook for ${type}${from}${again('declared one again')}.`;
    case 'webhook_off':
      return `It answered 410${from}, which switched the webhook off; installing it again switches it on${until === null ? '' : `, which happened at ${later}`}.`;
    case 'event_type_unknown':
      return `The platform no longer has the event type ${type}.`;
    case 'scope_not_granted':
      return `${needs} was never granted.`;
    case 'scope_granted_later':
      return `${needs} was granted only at ${later}, after the event.`;
    case 'scope_revoked':
      return `${needs} was revoked${from}${again('granted again')}.`;
    case 'resource_not_granted':
      return `The resource "${event.resource}" was not chosen for it.`;
    case 'resource_granted_later':
      return `The resource "${event.resource}" was chosen for it only at ${later}, after the event.`;
    case 'resource_revoked':
      return `The resource "${event.resource}" was taken from it${from}${again('chosen again')}.`;
    case 'resource_missing':
      return 'The event names no resource, and this installation is limited to some.';
    case 'subscribed_later':
      return `The platform definition tells it of ${type} only since ${later}.`;
    case 'log_expired':
      return 'It was granted, so it was owed; what came of it is past the retention of the log.';
  }
}

function afterPublishing({ since }: Because, { event }: Subject): string {
  return since !== null && since > event.createdAt
    ? ' That was after the event was published, and before it was fanned out.'
    : '';
}

/** @param url where an operator can approve it; null: its descriptor does not ask for it. */
export function describeApproval(url: string | null): string {
  return url === null
    ? 'Its descriptor does not ask for it.'
    : `An operator can approve it: ${url}`;
}

const NOT_FANNED_OUT = 'It will be told; the delivery engine has not come to it yet.';

function describeWait({ wait, last, attempts, expiresAt }: ExplainedDelivery): string {
  const { reason, since, until, behind } = wait!;
  const next = until === null ? 'as soon as its turn comes' : `not before ${isoTime(until)}`;
  const failed =
    attempts > 0 && last ? ` Attempt ${last.number} failed: ${last.message ?? last.reason}` : '';
  const owed = expiresAt === null ? '' : ` Owed until ${isoTime(expiresAt)}.`;
  switch (reason) {
    case 'not_fanned_out':
      return NOT_FANNED_OUT;
    case 'behind_another':
      return `It waits for event ${behind} of the same order, which is still owed to this webhook.${failed}${owed}`;
    case 'paused':
      return `Its webhooks are paused since ${isoTime(since!)}, after days without a success; one is tried ${next}.${failed}${owed}`;
    case 'breaker_open':
      return `Its endpoint fails${since === null ? '' : ` since ${isoTime(since)}`}, so that only one at a time is tried, ${next}.${failed}${owed}`;
    case 'silenced':
      return `The add-on asked for silence (Retry-After): ${next}.${failed}${owed}`;
    case 'retrying':
      return `It is tried again, ${next}.${failed}${owed}`;
    case 'due':
      return `It is due, and goes ${next}.${owed}`;
  }
}

function describeEnd({ state, attempts, last, withheld }: ExplainedDelivery): string {
  const { at, message, reason } = last!;
  const count = attempts === 1 ? '1 attempt' : `${attempts} attempts`;
  if (state === 'delivered')
    return `Delivered at ${isoTime(at)}, after ${count}${describeWithheld(withheld)}.`;
  if (state === 'failed') return `Failed at ${isoTime(at)}, after ${count}: ${message ?? reason}`;
  return `Dropped at ${isoTime(at)}: ${message ?? reason}`;
}

/** All of them are in the delivery; a sentence names a few, or the scopes that they need. */
const FIELDS_NAMED = 3;

function describeWithheld(withheld: Withheld[]): string {
  if (withheld.length === 0) return '';
  const fields = withheld.map(({ pointer, scope }) => `${pointer} (needs "${scope}")`);
  if (fields.length <= FIELDS_NAMED) return `, without ${fields.join(', ')}`;
  const scopes = [...new Set(withheld.map(({ scope }) => `"${scope}"`))];
  return `, without ${fields.length} fields (which need ${scopes.join(', ')})`;
}
