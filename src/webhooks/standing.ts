// Would an event of this kind reach this installation at a given moment? The gate decides, on the rows that were in
// force then; what the logs say before and after tells since when, and until when. Pure.
import type { Platform } from '../platform/platform.ts';
import type { ExplainedEvent, Period, ToldFacts } from '../store/explanation-rows.ts';
import type { EventRow, Recipient, WebhookRow } from '../store/rows.ts';
import { type DropReason, decideGate } from './gate.ts';

export type NotSentReason =
  | 'other_context'
  | 'not_installed'
  | 'installed_later'
  | 'uninstalled'
  | 'disabled'
  | 'not_subscribed'
  | 'webhook_declared_later'
  | 'webhook_removed'
  | 'webhook_off'
  | 'event_type_unknown'
  | 'scope_not_granted'
  | 'scope_granted_later'
  | 'scope_revoked'
  | 'resource_not_granted'
  | 'resource_granted_later'
  | 'resource_revoked'
  /** The event names none, and the installation is limited to some. */
  | 'resource_missing'
  /** Everything was granted; the platform tells it of this type only since. */
  | 'subscribed_later'
  /** Everything was granted, so it was owed; what came of it is not kept any more. */
  | 'log_expired';

/** Why not; in force from `since` (null: always) until `until` (null: still). */
export interface Because {
  reason: NotSentReason;
  since: number | null;
  until: number | null;
}

export type Standing =
  | { wouldBeSent: true; scopes: string[] }
  | { wouldBeSent: false; because: Because };

export function standingAt(
  at: number,
  event: ExplainedEvent,
  facts: ToldFacts,
  platform: Platform,
): Standing {
  const { installation } = facts;
  if (installation.context !== event.context)
    return not({ reason: 'other_context', since: null, until: null });
  const recipient = recipientAt(at, facts);
  const declared = declaring(event.type, facts.webhooks);
  const hooks = declared.filter((hook) => isInForce(hook, at));
  // Without a webhook the gate still says what else stands in the way.
  const asked = hooks.length > 0 ? hooks.map(({ id }) => id) : [''];
  // As if it were published at that moment, so that nothing is older than what it is compared with.
  const then = { ...event, createdAt: at } as EventRow;
  const decisions = asked.map((webhookId) =>
    decideGate(
      then,
      recipient,
      { webhookId, eventSeq: Number.MAX_SAFE_INTEGER, allowed: null },
      platform,
    ),
  );
  const refusals = decisions.flatMap((decision) => (decision.ok ? [] : decision.reason));
  if (refusals.length < decisions.length)
    return { wouldBeSent: true, scopes: recipient.grant!.scopes };
  // A webhook that is switched off says less than what is wrong with one that is not.
  const refusal = refusals.find((reason) => reason !== 'webhook_off') ?? 'webhook_off';
  return not(detail(refusal, at, { event, facts, declared }, platform));
}

/** The first moment after `from`, and not after `to`, at which it was refused. */
export function firstRefusal(
  from: number,
  to: number,
  event: ExplainedEvent,
  facts: ToldFacts,
  platform: Platform,
): Because | undefined {
  for (const at of changesBetween(from, to, facts)) {
    const standing = standingAt(at, event, facts, platform);
    if (!standing.wouldBeSent) return { ...standing.because, since: standing.because.since ?? at };
  }
  return undefined;
}

function recipientAt(at: number, { installation, states, grants, webhooks }: ToldFacts): Recipient {
  const inForce = webhooks.filter((hook) => isInForce(hook, at));
  return {
    installation: {
      ...installation,
      state: states.find((period) => isInForce(period, at))?.state ?? 'uninstalled',
    },
    grant: grants.find((grant) => isInForce(grant, at)),
    webhooks: new Map(inForce.map((hook) => [hook.id, asOf(at, hook)])),
  };
}

function asOf(at: number, hook: WebhookRow): WebhookRow {
  const isOff = hook.offSince !== null && hook.offSince <= at;
  return { ...hook, until: null, offSince: isOff ? hook.offSince : null };
}

interface Case {
  event: ExplainedEvent;
  facts: ToldFacts;
  declared: WebhookRow[];
}

function detail(
  refusal: DropReason,
  at: number,
  { event, facts, declared }: Case,
  { events, scopes }: Platform,
): Because {
  const { states, grants } = facts;
  switch (refusal) {
    case 'uninstalled':
    case 'not_installed':
    case 'before_installation':
      return fromLog(states, at, () => true, ['not_installed', 'installed_later', 'uninstalled']);
    case 'disabled': {
      const { since, until } = states.find((period) => isInForce(period, at))!;
      return { reason: 'disabled', since, until };
    }
    case 'webhook_removed':
      return fromLog(declared, at, () => true, [
        'not_subscribed',
        'webhook_declared_later',
        'webhook_removed',
      ]);
    case 'webhook_off': {
      const off = declared.filter((hook) => isInForce(hook, at));
      const since = Math.min(...off.map(({ offSince }) => offSince!));
      return { reason: 'webhook_off', since, until: off[0]!.until };
    }
    case 'event_type_unknown':
      return { reason: 'event_type_unknown', since: null, until: null };
    case 'scope_not_granted': {
      const { scope } = events.get(event.type)!;
      return fromLog(grants, at, (grant) => scopes.covers(grant.scopes, scope), [
        'scope_not_granted',
        'scope_granted_later',
        'scope_revoked',
      ]);
    }
    case 'resource_not_granted': {
      const { resource } = event;
      if (resource === null) return { reason: 'resource_missing', since: null, until: null };
      return fromLog(grants, at, ({ resources }) => resources?.includes(resource) ?? true, [
        'resource_not_granted',
        'resource_granted_later',
        'resource_revoked',
      ]);
    }
  }
}

/** It is not so at a moment: it never was, it came later, or it has ended before (and may have come again). */
function fromLog<T extends Period>(
  log: T[],
  at: number,
  fits: (row: T) => boolean,
  [never, later, ended]: [NotSentReason, NotSentReason, NotSentReason],
): Because {
  const rows = log.filter(fits);
  const ends = rows.flatMap(({ until }) => (until !== null && until <= at ? until : []));
  const begins = rows.flatMap(({ since }) => (since > at ? since : []));
  const since = ends.length > 0 ? Math.max(...ends) : null;
  const until = begins.length > 0 ? Math.min(...begins) : null;
  return { reason: since !== null ? ended : until !== null ? later : never, since, until };
}

function changesBetween(from: number, to: number, facts: ToldFacts): number[] {
  const { states, grants, webhooks } = facts;
  const times = [...states, ...grants, ...webhooks].flatMap(({ since, until }) => [since, until]);
  times.push(...webhooks.map(({ offSince }) => offSince));
  const within = times.filter((time) => time !== null && time > from && time <= to) as number[];
  return [...new Set(within)].sort((a, b) => a - b);
}

function declaring(type: string, webhooks: WebhookRow[]): WebhookRow[] {
  return webhooks.filter(({ event }) => event === type || event === '*');
}

function isInForce({ since, until }: Period, at: number): boolean {
  return since <= at && (until === null || until > at);
}

function not(because: Because): Standing {
  return { wouldBeSent: false, because };
}
