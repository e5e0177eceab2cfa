// What is told between threads, as tuples: names that are copied with every value cost more than the values.
import type { AttemptRecord, EventRow, OwedDelivery, Withheld } from '../store/rows.ts';
import type { AskedAttempt, Attempted, Refusal } from './attempt.ts';
import type { FreshEvent } from './fresh-events.ts';

export type AskedTuple = [
  ticket: number,
  isProbe: boolean,
  random: number,
  id: string,
  installationId: string,
  webhookId: string,
  eventSeq: number,
  eventId: string,
  eventType: string,
  eventAt: number,
  orderingKey: string | null,
  replayId: string | null,
  allowed: OwedDelivery['allowed'],
  attempts: number,
  dueAt: number,
  expiresAt: number,
];

export function askedTuple(
  ticket: number,
  { delivery, isProbe, random }: AskedAttempt,
): AskedTuple {
  return [
    ticket,
    isProbe,
    random,
    delivery.id,
    delivery.installationId,
    delivery.webhookId,
    delivery.eventSeq,
    delivery.eventId,
    delivery.eventType,
    delivery.eventAt,
    delivery.orderingKey,
    delivery.replayId,
    delivery.allowed,
    delivery.attempts,
    delivery.dueAt,
    delivery.expiresAt,
  ];
}

export function readAsked(tuple: AskedTuple): AskedAttempt & { ticket: number } {
  const [
    ticket,
    isProbe,
    random,
    id,
    installationId,
    webhookId,
    eventSeq,
    eventId,
    eventType,
    eventAt,
    orderingKey,
    replayId,
    allowed,
    attempts,
    dueAt,
    expiresAt,
  ] = tuple;
  const delivery = {
    id,
    installationId,
    webhookId,
    eventSeq,
    eventId,
    eventType,
    eventAt,
    orderingKey,
    replayId,
    allowed,
    attempts,
    dueAt,
    expiresAt,
  };
  return { ticket, isProbe, random, delivery };
}

/** Its payload is told beside it. */
export type EventTuple = [
  bytes: number,
  scopesToSeeAll: string[] | undefined,
  isForOne: boolean,
  id: string,
  type: string,
  context: string,
  resource: string | null,
  actor: string | null,
  orderingKey: string | null,
  traceId: string | null,
  createdAt: number,
];

export function eventTuple({ row, scopesToSeeAll, isForOne }: FreshEvent): EventTuple {
  return [
    row.payload.length,
    scopesToSeeAll,
    isForOne,
    row.id,
    row.type,
    row.context,
    row.resource,
    row.actor,
    row.orderingKey,
    row.traceId,
    row.createdAt,
  ];
}

export function readEvent(tuple: EventTuple, payload: Buffer): EventRow {
  const [, , , id, type, context, resource, actor, orderingKey, traceId, createdAt] = tuple;
  return {
    id,
    type,
    context,
    resource,
    actor,
    orderingKey,
    traceId,
    createdAt,
    payload,
    // Looked at when it is published, and never again.
    idempotency: null,
  };
}

/** What came of one attempt. The delivery itself is known to whoever asked. */
export type MadeTuple = [
  ticket: number,
  bytes: number,
  traceId: string | null,
  silentUntil: number | null,
  refusal: Refusal | undefined,
  isProbe: boolean | undefined,
  number: number,
  at: number,
  durationMs: number,
  outcome: AttemptRecord['outcome'],
  status: number | null,
  reason: string | null,
  message: string | null,
  responseExcerpt: string | null,
  url: string,
  withheld: Withheld[],
  nextDueAt: number | null,
];

export function madeTuple(ticket: number, attempted: Attempted): MadeTuple {
  const { record } = attempted;
  return [
    ticket,
    attempted.bytes,
    attempted.traceId,
    attempted.silentUntil,
    attempted.refusal,
    record.isProbe,
    record.number,
    record.at,
    record.durationMs,
    record.outcome,
    record.status,
    record.reason,
    record.message,
    record.responseExcerpt,
    record.url,
    record.withheld,
    record.nextDueAt,
  ];
}

export function readMade(tuple: MadeTuple, delivery: OwedDelivery): Attempted {
  const [
    ,
    bytes,
    traceId,
    silentUntil,
    refusal,
    isProbe,
    number,
    at,
    durationMs,
    outcome,
    status,
    reason,
    message,
    responseExcerpt,
    url,
    withheld,
    nextDueAt,
  ] = tuple;
  const record: AttemptRecord = {
    delivery,
    isProbe,
    number,
    at,
    durationMs,
    outcome,
    status,
    reason,
    message,
    responseExcerpt,
    url,
    withheld,
    nextDueAt,
  };
  return { record, bytes, traceId, silentUntil, refusal };
}
