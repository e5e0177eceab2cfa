// Sends again what was owed, one delivery or many. Nothing is sent here: a replay is a row, made due chunk by chunk by
// whoever leads, and each delivery passes the gate of the moment it is sent.
import { setImmediate } from 'node:timers/promises';
import { MortiseError } from '../core/errors.ts';
import { newId, timeOf } from '../core/ids.ts';
import { didYouMean } from '../core/suggest.ts';
import type {
  EndedState,
  NewReplay,
  ReplayAllowed,
  ReplayCount,
  ReplayRow,
  ReplaySelection,
} from '../store/replay-rows.ts';
import { replayedId } from '../store/replayed-id.ts';
import type { HostParts } from './parts.ts';
import { installationNotFound } from './uninstall.ts';

export interface ReplayRequest {
  installationId?: string;
  eventType?: string;
  eventId?: string;
  /** When the event was published, from and up to; milliseconds since 1970. */
  since?: number;
  until?: number;
  /** Default: what did not arrive. */
  outcomes?: EndedState[];
  /** Default `then-and-now`. */
  allowed?: ReplayAllowed;
  newIds?: boolean;
  /** Default 50. */
  perSecond?: number;
}

export type ReplayTotals = Omit<ReplayCount, 'cursor'>;

export interface DeliveryReplay {
  /** Of the delivery that is made due. */
  id: string;
  replayId: string;
  alreadyDelivered: boolean;
}

const PER_SECOND = 50;
const NOT_ARRIVED: EndedState[] = ['failed', 'dropped'];
const ENDED: EndedState[] = ['delivered', 'failed', 'dropped'];

/** What a replay would take now. @throws installation_not_found, event_type_unknown, not_found */
export async function countReplay(request: ReplayRequest, parts: HostParts): Promise<ReplayTotals> {
  return count(await select(request, parts), parts);
}

/** @throws installation_not_found, event_type_unknown, not_found */
export async function startReplay(request: ReplayRequest, parts: HostParts): Promise<ReplayRow> {
  const what = await select(request, parts);
  const { count: total, alreadyDelivered } = await count(what, parts);
  const { newIds = false, perSecond = PER_SECOND } = request;
  return create({ ...what, newIds, perSecond, total, alreadyDelivered }, parts);
}

/** @throws not_found, delivery_owed (409), event_expired (410) */
export async function replayDelivery(
  deliveryId: string,
  { newIds = false, allowed = 'then-and-now' }: Pick<ReplayRequest, 'newIds' | 'allowed'>,
  parts: HostParts,
): Promise<DeliveryReplay> {
  const delivery = await parts.store.deliveries.find(deliveryId);
  if (!delivery) {
    throw new MortiseError({
      code: 'not_found',
      status: 404,
      message: `There is no delivery "${deliveryId}".`,
      hint: 'GET /operator/v1/deliveries lists them.',
    });
  }
  const what: ReplaySelection = {
    deliveryId,
    installationId: delivery.installationId,
    eventType: delivery.eventType,
    eventId: delivery.eventId,
    since: null,
    until: delivery.createdAt,
    outcomes: ENDED,
    allowed,
  };
  const { count: total, skippedOwed, skippedExpired } = await count(what, parts);
  if (skippedOwed > 0) throw owedAlready(deliveryId);
  if (skippedExpired > 0) throw eventExpired(delivery.eventId);
  const alreadyDelivered = delivery.state === 'delivered';
  const replay = await create(
    {
      ...what,
      newIds,
      perSecond: PER_SECOND,
      total,
      alreadyDelivered: alreadyDelivered ? 1 : 0,
    },
    parts,
  );
  return {
    id: newIds ? replayedId(replay.id, deliveryId, delivery.createdAt) : deliveryId,
    replayId: replay.id,
    alreadyDelivered,
  };
}

/** What is not made due yet never will be. @throws not_found */
export async function cancelReplay(id: string, parts: HostParts): Promise<ReplayRow> {
  const replay = await parts.store.replays.cancel(id, parts.settings.clock.now());
  if (!replay) throw replayNotFound(id);
  return replay;
}

export function replayNotFound(id: string): MortiseError {
  return new MortiseError({
    code: 'not_found',
    status: 404,
    message: `There is no replay "${id}".`,
    hint: 'GET /operator/v1/replays lists them.',
  });
}

async function create(
  replay: Omit<NewReplay, 'id' | 'createdAt'>,
  { store, settings, wake }: HostParts,
): Promise<ReplayRow> {
  const id = newId();
  await store.replays.create({ ...replay, id, createdAt: settings.clock.now() });
  wake();
  return (await store.replays.find(id))!;
}

/** Page by page: a long log must not hold up the others. */
async function count(what: ReplaySelection, { store }: HostParts): Promise<ReplayTotals> {
  const totals = { count: 0, alreadyDelivered: 0, skippedOwed: 0, skippedExpired: 0 };
  for (let cursor: string | null = null; ; ) {
    const page: ReplayCount = await store.replays.count(what, cursor);
    totals.count += page.count;
    totals.alreadyDelivered += page.alreadyDelivered;
    totals.skippedOwed += page.skippedOwed;
    totals.skippedExpired += page.skippedExpired;
    if (page.cursor === null) return totals;
    cursor = page.cursor;
    await setImmediate();
  }
}

async function select(request: ReplayRequest, parts: HostParts): Promise<ReplaySelection> {
  const { store, settings } = parts;
  const { installationId = null, eventType = null, eventId = null } = request;
  if (installationId !== null && !(await store.installations.find(installationId)))
    throw installationNotFound(installationId);
  if (eventType !== null && !settings.platform.events.has(eventType))
    throw unknownEventType(eventType, parts);
  const now = settings.clock.now();
  const eventAt = eventId === null ? undefined : timeOf(eventId);
  if (eventId !== null && eventAt === undefined) throw noEvent(eventId);
  return {
    deliveryId: null,
    installationId,
    eventType,
    eventId,
    since: eventAt ?? request.since ?? null,
    until: Math.min(eventAt ?? request.until ?? now, now),
    outcomes: request.outcomes ?? NOT_ARRIVED,
    allowed: request.allowed ?? 'then-and-now',
  };
}

export function unknownEventType(type: string, { settings }: HostParts): MortiseError {
  return new MortiseError({
    code: 'event_type_unknown',
    status: 422,
    message: `"${type}" is not an event type of this platform.`,
    hint:
      didYouMean(type, settings.platform.events.keys()) ??
      'All event types: GET /operator/v1/event-types',
  });
}

function noEvent(id: string): MortiseError {
  return new MortiseError({
    code: 'not_found',
    status: 404,
    message: `There is no event "${id}".`,
    hint: 'An event has the id that POST /operator/v1/events answered.',
  });
}

function owedAlready(id: string): MortiseError {
  return new MortiseError({
    code: 'delivery_owed',
    status: 409,
    message: `The delivery "${id}" is owed already: it is under way, or will be tried again.`,
    hint: 'GET /operator/v1/deliveries/{id} says when. Replay it once it has ended.',
  });
}

function eventExpired(id: string): MortiseError {
  return new MortiseError({
    code: 'event_expired',
    status: 410,
    message: `The event "${id}" is past its retention, so it cannot be sent again.`,
    hint: 'Let the add-on fetch what it needs from the API.',
  });
}
