// Publishes events: everything is checked before anything is written, then event and outbox rows are one
// transaction: the host's own, or the product's.
import { MortiseError } from '../core/errors.ts';
import { newId } from '../core/ids.ts';
import { sha256 } from '../core/secrets.ts';
import { didYouMean } from '../core/suggest.ts';
import { traceIdOf } from '../core/trace.ts';
import { scopesToSeeAll } from '../platform/redact.ts';
import type { EventRow } from '../store/rows.ts';
import { requireContext } from './granted.ts';
import type { HostParts, Published } from './parts.ts';
import { DEEPEST_PAYLOAD, kindOfPayload } from './plain-payload.ts';

export interface EventInput {
  /** One of the platform's event types. */
  type: string;
  /** The product's own name of the place it happened in; compulsory where the platform has contexts. */
  context?: string;
  /** The product's own name of the thing it happened to: without it, no limited installation is told. */
  resource?: string;
  /** Who did it, by the product's own name. */
  actor?: string;
  payload: Record<string, unknown>;
  /** Unique per context for seven days: the same body again gives the same id. */
  idempotencyKey?: string;
  /** Events of one key reach each webhook one after the other, in the order they were published in. */
  orderingKey?: string;
  /** W3C Trace Context: every webhook of this event goes on with its trace. One that is invalid is passed over. */
  traceparent?: string;
}

export const MOST_PAYLOAD_BYTES = 1024 * 1024;
const IDEMPOTENCY_MS = 7 * 24 * 3_600_000;
const MOST_NAME_CHARACTERS = 512;

/**
 * @returns the ids, in order. A batch is all or nothing.
 * @throws event_invalid, event_type_unknown, payload_invalid, context_required (422), payload_too_large (413),
 *   idempotency_conflict (409)
 */
export async function publish(inputs: EventInput[], parts: HostParts): Promise<string[]> {
  const events = toEvents(inputs, parts);
  // Some are on their way before it is answered that they are published.
  parts.publishing(events);
  const ids = await parts.store.events.publish(events.map(({ row }) => row));
  parts.published();
  countNew(events, ids, parts);
  return ids;
}

/**
 * Inside the caller's open transaction.
 * @returns at once where the store does.
 * @throws before anything is written; also transaction_unusable
 */
export function publishWithin(
  transaction: unknown,
  inputs: EventInput[],
  parts: HostParts,
): string[] | Promise<string[]> {
  const events = toEvents(inputs, parts);
  const counted = (ids: string[]) => {
    countNew(events, ids, parts);
    return ids;
  };
  const ids = parts.store.events.publishWithin(
    transaction,
    events.map(({ row }) => row),
  );
  return Array.isArray(ids) ? counted(ids) : ids.then(counted);
}

/** One that was published before under its key has the id of that time. */
function countNew(events: Published[], ids: string[], parts: HostParts): void {
  for (const [i, { row }] of events.entries()) {
    if (row.id === ids[i]) parts.metrics.published(row.type);
  }
}

/** One event of a batch was refused, and so the batch. */
export class EventRefused extends MortiseError {
  readonly index: number;

  constructor(error: MortiseError, index: number) {
    super(error);
    this.index = index;
  }
}

function toEvents(inputs: EventInput[], parts: HostParts): Published[] {
  return inputs.map((input, index) => {
    try {
      return toEvent(input, parts);
    } catch (error) {
      throw error instanceof MortiseError ? new EventRefused(error, index) : error;
    }
  });
}

function toEvent(input: EventInput, parts: HostParts): Published {
  const { platform, clock } = parts.settings;
  checkNames(input);
  const eventType = platform.events.get(input.type);
  if (!eventType) {
    throw refuse(
      'event_type_unknown',
      `"${input.type}" is not an event type of this platform.`,
      didYouMean(input.type, platform.events.keys()) ??
        'All event types: GET /operator/v1/event-types',
    );
  }
  const context = requireContext(input.context, platform);
  const kind = kindOfPayload(input.payload);
  if (kind === 'too_deep') throw tooDeep(input.type);
  const text = JSON.stringify(input.payload);
  const payload = Buffer.from(text);
  if (payload.length > MOST_PAYLOAD_BYTES) throw tooLarge(input.type, payload.length);
  // What is stored is judged: a Date is a string by then. All of it is, before the caller's object can change.
  const stored: unknown = kind === 'plain' ? input.payload : JSON.parse(text);
  if (!eventType.fits(stored)) {
    const faults = (eventType.fits.errors ?? []).map((error) => ({
      code: 'payload_invalid',
      message: `${error.instancePath || 'The payload'} ${error.message}.`,
      pointer: `/payload${error.instancePath}`,
      severity: 'error' as const,
    }));
    throw new MortiseError({
      code: 'payload_invalid',
      status: 422,
      message: `The payload does not fit "${input.type}": ${faults[0]!.message} Nothing was published.`,
      hint: `Its schema and an example: GET /operator/v1/event-types/${input.type}`,
      faults,
    });
  }
  const now = clock.now();
  const resource = input.resource ?? null;
  const actor = input.actor ?? null;
  const orderingKey = input.orderingKey ?? null;
  const row: EventRow = {
    id: newId(now),
    type: input.type,
    context,
    resource,
    actor,
    orderingKey,
    traceId: traceIdOf(input.traceparent) ?? null,
    payload,
    createdAt: now,
    idempotency:
      input.idempotencyKey === undefined
        ? null
        : {
            key: input.idempotencyKey,
            bodyHash: sha256(JSON.stringify([input.type, resource, actor]) + text),
            expiresAt: now + IDEMPOTENCY_MS,
          },
  };
  return { row, scopesToSeeAll: scopesToSeeAll(stored, eventType.fields) };
}

const NAMES = ['type', 'context', 'resource', 'actor', 'idempotencyKey', 'orderingKey'] as const;

function checkNames(input: EventInput): void {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) {
    throw refuse('event_invalid', 'An event is an object: {type, context, resource, payload}.');
  }
  for (const name of NAMES) {
    const value: unknown = input[name];
    if (value === undefined && name !== 'type') continue;
    if (typeof value !== 'string' || value === '' || value.length > MOST_NAME_CHARACTERS) {
      throw refuse(
        'event_invalid',
        `"${name}" of an event must be a string of 1 to ${MOST_NAME_CHARACTERS} characters.`,
      );
    }
  }
  if (typeof input.payload !== 'object' || input.payload === null || Array.isArray(input.payload)) {
    throw refuse('event_invalid', '"payload" of an event must be an object.');
  }
}

function tooDeep(type: string): MortiseError {
  return refuse(
    'payload_invalid',
    `The payload of "${type}" is nested deeper than ${DEEPEST_PAYLOAD} levels. Nothing was published.`,
  );
}

function tooLarge(type: string, bytes: number): MortiseError {
  return new MortiseError({
    code: 'payload_too_large',
    status: 413,
    message: `The payload of "${type}" is ${bytes} bytes; at most ${MOST_PAYLOAD_BYTES} are published. Nothing was published.`,
    hint: 'Publish a summary with a link to the rest.',
  });
}

function refuse(code: string, message: string, hint?: string): MortiseError {
  return new MortiseError({ code, status: 422, message, hint });
}
