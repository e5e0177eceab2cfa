// Why an event was told to an installation, is still owed to it, or was not sent: a reason, and since when. Pure; the
// words are in explain-words.ts.
import type { Platform } from '../platform/platform.ts';
import type { ExplainedEvent, ToldDelivery, ToldFacts } from '../store/explanation-rows.ts';
import type { DeliveryState, LaneState } from '../store/rows.ts';
import { type Because, firstRefusal, type Standing, standingAt } from './standing.ts';

export const EXPLAINED_STATES = ['delivered', 'owed', 'failed', 'dropped', 'notSent'] as const;
export type ExplainedState = (typeof EXPLAINED_STATES)[number];

export type WaitReason =
  /** The engine has not come to it yet. */
  | 'not_fanned_out'
  /** An earlier event of its order is still owed to the same webhook. */
  | 'behind_another'
  /** No success for days: probed rarely. */
  | 'paused'
  | 'breaker_open'
  /** The add-on asked for silence (Retry-After). */
  | 'silenced'
  | 'retrying'
  | 'due';

export interface Wait {
  reason: WaitReason;
  /** Since when the endpoint is paused or fails. */
  since: number | null;
  /** Not before this; null: as soon as its turn comes. */
  until: number | null;
  /** The event that goes before. */
  behind: string | null;
}

export interface ExplainedDelivery extends ToldDelivery {
  /** Why it waits, while it is owed. */
  wait: Wait | null;
}

export interface Explanation {
  state: ExplainedState;
  /** Those that made it so come first. */
  deliveries: ExplainedDelivery[];
  /** Why it waits. */
  wait: Wait | null;
  /** Why it was not sent, or was dropped, as the logs tell. */
  because: Because | null;
  /** If it was published now. */
  today: Standing;
}

/** Of one installation: what is still owed counts first, then what went wrong. */
export function stateOf(deliveries: DeliveryState[], isFanOutAhead: boolean): ExplainedState {
  const states = new Set(deliveries.map(stateOfDelivery));
  if (isFanOutAhead && !states.has('owed')) states.add('owed');
  return (
    (['owed', 'failed', 'dropped', 'delivered'] as const).find((s) => states.has(s)) ?? 'notSent'
  );
}

export function stateOfDelivery(state: DeliveryState): Exclude<ExplainedState, 'notSent'> {
  return state === 'pending' || state === 'retrying' ? 'owed' : state;
}

export function explain(
  event: ExplainedEvent,
  facts: ToldFacts,
  platform: Platform,
  now: number,
): Explanation {
  const state = stateOf(
    facts.deliveries.map((delivery) => delivery.state),
    facts.isFanOutAhead,
  );
  const isDecisive = (delivery: ToldDelivery) => stateOfDelivery(delivery.state) === state;
  const deliveries = facts.deliveries
    .map((delivery) => ({ ...delivery, wait: waitOf(delivery, facts.lane, now) }))
    .sort((a, b) => Number(isDecisive(b)) - Number(isDecisive(a)));
  const [first] = deliveries;
  return {
    state,
    deliveries,
    wait: state === 'owed' ? (first?.wait ?? NOT_FANNED_OUT) : null,
    because: becauseOf(state, first, { event, facts, platform, now }),
    today: standingAt(now, event, facts, platform),
  };
}

const NOT_FANNED_OUT: Wait = { reason: 'not_fanned_out', since: null, until: null, behind: null };

function waitOf(
  { state, dueAt, behind }: ToldDelivery,
  lane: LaneState | undefined,
  now: number,
): Wait | null {
  if (stateOfDelivery(state) !== 'owed') return null;
  const ahead = (time: number | null | undefined) => (time && time > now ? time : 0);
  const [due, open, silent] = [dueAt, lane?.openUntil, lane?.silentUntil].map(ahead);
  const until = Math.max(due!, open!, silent!);
  const wait = { since: null, until: until || null, behind: null };
  if (behind !== null) return { ...wait, reason: 'behind_another', behind };
  if (lane && lane.pausedAt !== null) return { ...wait, reason: 'paused', since: lane.pausedAt };
  // An open breaker lets through one probe at a time, even after its time.
  if (lane && lane.openUntil !== null && open === until)
    return { ...wait, reason: 'breaker_open', since: lane.failingSince };
  if (silent !== 0 && silent === until) return { ...wait, reason: 'silenced' };
  return { ...wait, reason: state === 'retrying' ? 'retrying' : 'due' };
}

interface Case {
  event: ExplainedEvent;
  facts: ToldFacts;
  platform: Platform;
  now: number;
}

function becauseOf(
  state: ExplainedState,
  first: ToldDelivery | undefined,
  { event, facts, platform, now }: Case,
): Because | null {
  const published = event.createdAt;
  if (state === 'dropped') {
    const { reason, at } = first!.last!;
    if (reason === 'expired' || reason === 'event_expired') return null;
    const standing = standingAt(at, event, facts, platform);
    return standing.wouldBeSent ? null : standing.because;
  }
  if (state !== 'notSent') return null;
  const then = standingAt(published, event, facts, platform);
  if (!then.wouldBeSent) return then.because;
  // Granted then: so something ended it before the fan-out, or it was owed, and the log of that is gone.
  const refusal = firstRefusal(published, now, event, facts, platform);
  if (refusal) return refusal;
  const { subscribedSince } = facts;
  return subscribedSince !== null && subscribedSince > published
    ? { reason: 'subscribed_later', since: null, until: subscribedSince }
    : { reason: 'log_expired', since: null, until: null };
}
