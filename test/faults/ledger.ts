// The books of a fault test: what was acknowledged to the publisher × who was granted it × what came, compared with what
// the host says of itself. It knows files, lines and the operator API only, so that any store and any number of
// replicas can be held against it.
import { readFileSync } from 'node:fs';
import type { Operator } from '../../examples/story/operator.ts';
import type { AnsweredLine, ReceivedLine } from './programs/receiver.ts';

/** An event whose id was answered to its publisher. */
export interface Published {
  n: number;
  id: string;
  /** What the same idempotency key gave the second time, where it was asked. */
  again?: string;
  type: string;
  context: string;
  resource?: string;
}

/** An installation that stood before the first event and stands after the last. */
export interface Granted {
  installationId: string;
  clientKey: string;
  context: string;
  /** Of the events that its scopes cover. */
  eventTypes: string[];
  /** null: all of the context. */
  resources: string[] | null;
}

export interface Received extends ReceivedLine {
  /** When the answer was written out, and which; undefined where there was none. */
  answer: AnsweredLine | undefined;
}

/** A delivery as the operator API lists it. */
export interface Listed {
  id: string;
  installationId: string;
  eventId: string;
  eventType: string;
  state: 'pending' | 'retrying' | 'delivered' | 'failed' | 'dropped';
  reason: string | null;
  attemptCount: number;
  nextAttemptAt: string | null;
}

/** The host was dead, stopped, or could not write, from `at` to `until`. */
export interface Disturbance {
  what: string;
  at: number;
  until: number;
}

export interface Books {
  published: Published[];
  granted: Granted[];
  received: Received[];
  listed: Listed[];
  disturbances: Disturbance[];
}

/** An attempt that was made again although it had arrived. */
export interface Duplicate {
  webhookId: string;
  first: Received;
  second: Received;
}

export interface Balance {
  /** Acknowledged and granted, but the host knows no delivery of it, or more than one. */
  lost: string[];
  /** The host says delivered, and the receiver never said yes. */
  neverArrived: string[];
  /** Ended without a reason. */
  withoutReason: string[];
  /** Came to somebody who was not granted it, or was owed to somebody. */
  ungranted: string[];
  /** Came of an event that nobody was told the id of. */
  unacknowledged: string[];
  /** Came with another event's payload or type, under another delivery's id, or wrongly signed. */
  wrong: string[];
  /** The same idempotency key gave two ids, or two keys one. */
  keys: string[];
  duplicates: Duplicate[];
  /** Those that no disturbance explains. */
  unexplained: string[];
  /** The most that one disturbance explains. */
  mostPerDisturbance: number;
}

/**
 * How long before a kill an answer may have come and not be committed: the group commit's wait, its fsync, and what a
 * loaded machine adds to both.
 */
const COMMIT_WINDOW_MS = 500;

export function balance({ published, granted, received, listed, disturbances }: Books): Balance {
  const result: Balance = {
    lost: [],
    neverArrived: [],
    withoutReason: [],
    ungranted: [],
    unacknowledged: [],
    wrong: [],
    keys: [],
    duplicates: [],
    unexplained: [],
    mostPerDisturbance: 0,
  };
  const events = new Map(published.map((event) => [event.id, event]));
  if (events.size !== published.length) result.keys.push('two keys were answered with one id');
  for (const { n, id, again } of published) {
    if (again !== undefined && again !== id)
      result.keys.push(`event ${n}: first ${id}, then ${again}`);
  }

  const byPair = groupBy(listed, ({ eventId, installationId }) => `${eventId} ${installationId}`);
  const byDelivery = groupBy(received, ({ webhookId }) => webhookId);
  for (const event of published) {
    for (const installation of granted.filter((one) => isGranted(event, one))) {
      const deliveries = byPair.get(`${event.id} ${installation.installationId}`) ?? [];
      const pair = `event ${event.n} (${event.id}) to ${installation.installationId}`;
      if (deliveries.length !== 1) {
        result.lost.push(`${pair}: ${deliveries.length} deliveries`);
        continue;
      }
      const { id, state, reason } = deliveries[0]!;
      const came = byDelivery.get(id) ?? [];
      if (state === 'delivered' && !came.some(saidYes)) result.neverArrived.push(`${pair}: ${id}`);
      if ((state === 'failed' || state === 'dropped') && !reason)
        result.withoutReason.push(`${pair}: ${state}`);
    }
  }

  const installations = new Map(granted.map((one) => [one.installationId, one]));
  const clients = new Map(granted.map((one) => [one.clientKey, one]));
  for (const { id, eventId, installationId } of listed) {
    const event = events.get(eventId);
    const installation = installations.get(installationId);
    if (event && installation && !isGranted(event, installation))
      result.ungranted.push(`delivery ${id}: event ${event.n} is owed to ${installationId}`);
  }
  const deliveries = new Map(listed.map((delivery) => [delivery.id, delivery]));
  for (const call of received) {
    const { webhookId, eventId, clientKey, fault, n, eventType } = call;
    const event = events.get(eventId);
    const installation = clients.get(clientKey);
    const what = `${webhookId} to ${call.addon}`;
    if (fault) result.wrong.push(`${what}: ${fault} does not verify`);
    if (!event) {
      result.unacknowledged.push(`${what}: event ${eventId} (${n})`);
      continue;
    }
    if (!installation || !isGranted(event, installation))
      result.ungranted.push(`${what}: event ${event.n}, ${event.type} of ${event.context}`);
    if (event.n !== n || event.type !== eventType)
      result.wrong.push(`${what}: event ${event.n} came as ${n}, ${eventType}`);
    const delivery = deliveries.get(webhookId);
    if (delivery?.eventId !== eventId || delivery.installationId !== installation?.installationId)
      result.wrong.push(`${what}: the host lists it as ${JSON.stringify(delivery)}`);
  }

  const perDisturbance = new Map<Disturbance, number>();
  for (const calls of byDelivery.values()) {
    for (const duplicate of duplicatesOf(calls)) {
      result.duplicates.push(duplicate);
      const cause = disturbances.find((one) => explains(one, duplicate));
      if (cause) perDisturbance.set(cause, (perDisturbance.get(cause) ?? 0) + 1);
      else result.unexplained.push(describeDuplicate(duplicate, disturbances));
    }
  }
  result.mostPerDisturbance = Math.max(0, ...perDisturbance.values());
  return result;
}

export function isGranted(event: Published, installation: Granted): boolean {
  const { context, eventTypes, resources } = installation;
  if (event.context !== context || !eventTypes.includes(event.type)) return false;
  return resources === null || (event.resource !== undefined && resources.includes(event.resource));
}

const saidYes = ({ answer }: Received) =>
  answer !== undefined && answer.status >= 200 && answer.status < 300;

/** An attempt is numbered anew after each answer that was recorded, and none follows a yes. */
function duplicatesOf(calls: Received[]): Duplicate[] {
  const found: Duplicate[] = [];
  const inOrder = [...calls].sort((a, b) => a.seq - b.seq);
  for (const [i, second] of inOrder.entries()) {
    const first = inOrder
      .slice(0, i)
      .findLast((earlier) => saidYes(earlier) || earlier.attempt === second.attempt);
    if (first) found.push({ webhookId: second.webhookId, first, second });
  }
  return found;
}

function explains({ at, until }: Disturbance, { first, second }: Duplicate): boolean {
  const wasOpenUntil = first.answer?.at ?? Number.POSITIVE_INFINITY;
  return second.at >= at && first.at <= until && wasOpenUntil >= at - COMMIT_WINDOW_MS;
}

function describeDuplicate(
  { webhookId, first, second }: Duplicate,
  disturbances: Disturbance[],
): string {
  const before = disturbances.findLast(({ at }) => at <= second.at);
  const since = before ? `${Math.round(before.at - (first.answer?.at ?? first.at))} ms` : 'never';
  return `${webhookId}: attempt ${first.attempt} answered ${first.answer?.status}, again as ${second.attempt} after ${Math.round(second.at - first.at)} ms; from the answer to the last disturbance: ${since}`;
}

export function readPublished(file: string): Published[] {
  return readLines<Published>(file);
}

export function readReceived(file: string): Received[] {
  const lines = readLines<ReceivedLine | AnsweredLine>(file);
  const answers = new Map(
    lines.flatMap((line) => (line.line === 'answered' ? [[line.seq, line] as const] : [])),
  );
  return lines.flatMap((line) =>
    line.line === 'received' ? [{ ...line, answer: answers.get(line.seq) }] : [],
  );
}

/** All of them, page after page. @param query such as `event=ID` or `state=pending` */
export async function readListed(operator: Operator, query = ''): Promise<Listed[]> {
  const found: Listed[] = [];
  for (let after = ''; ; ) {
    const { status, json } = await operator('GET', `/deliveries?limit=200&${query}${after}`);
    if (status !== 200) throw new Error(`the list of deliveries answered ${status}`);
    found.push(...json.items);
    if (!json.next) return found;
    after = `&after=${encodeURIComponent(json.next)}`;
  }
}

/** The last line may still be written. */
function readLines<T>(file: string): T[] {
  return readFileSync(file, 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as T);
}

function groupBy<T>(items: T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group) group.push(item);
    else groups.set(key, [item]);
  }
  return groups;
}
