// POST /operator/v1/events (one as JSON, many as NDJSON) · GET /operator/v1/events/{id}
import type Router from '@koa/router';
import type { Context } from 'koa';
import { isoTime } from '../../core/clock.ts';
import { MortiseError } from '../../core/errors.ts';
import { traceOf } from '../../core/trace.ts';
import { getEvent } from '../../host/get-event.ts';
import type { HostParts } from '../../host/parts.ts';
import { type EventInput, EventRefused, publish } from '../../host/publish.ts';
import { readJsonObject, readNdjson } from '../body.ts';
import { refuseOthers } from '../fields.ts';

const FIELDS = [
  'type',
  'context',
  'resource',
  'actor',
  'payload',
  'idempotencyKey',
  'orderingKey',
  'traceparent',
];
const MOST_PER_BATCH = 1_000;

export function eventRoutes(router: Router, parts: HostParts): void {
  router.post('/events', async (ctx) => {
    if (ctx.is('application/x-ndjson')) {
      const rows = await readNdjson(ctx);
      if (rows.length > MOST_PER_BATCH) throw tooMany(rows.length);
      const inputs = rows.map(({ value, line }) => atLine(line, () => asInput(value, ctx)));
      const ids = await publish(inputs, parts).catch((error: unknown) => {
        const index = error instanceof EventRefused ? error.index : undefined;
        throw index === undefined ? error : lineError(rows[index]!.line, error as EventRefused);
      });
      ctx.status = 202;
      ctx.body = { items: ids.map((id) => ({ id })) };
      return;
    }
    const [id] = await publish([asInput(await readJsonObject(ctx), ctx)], parts);
    ctx.status = 202;
    ctx.set('Location', `/operator/v1/events/${id}`);
    ctx.body = { id };
  });

  router.get('/events/:id', async (ctx) => {
    const event = await getEvent(ctx.params.id!, parts);
    ctx.body = {
      id: event.id,
      type: event.type,
      context: event.context === '' ? null : event.context,
      resource: event.resource,
      actor: event.actor,
      orderingKey: event.orderingKey,
      traceId: traceOf(event),
      createdAt: isoTime(event.createdAt),
      payload: JSON.parse(event.payload.toString('utf8')),
    };
  });
}

/** The request's own trace is that of every event in it that names none. */
function asInput(value: unknown, ctx: Context): EventInput {
  if (typeof value !== 'object' || value === null) return value as EventInput;
  refuseOthers(value as Record<string, unknown>, FIELDS);
  return { traceparent: ctx.get('traceparent'), ...(value as EventInput) };
}

/** Runs `read`; what it refuses is told with the line of the batch. */
function atLine<T>(line: number, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw error instanceof MortiseError ? lineError(line, error) : error;
  }
}

function lineError(line: number, error: MortiseError): MortiseError {
  const { code, status, message, hint, faults, extensions } = error;
  return new MortiseError({
    code,
    status,
    message: `Line ${line}: ${message}`,
    hint,
    faults: faults?.map((fault) => ({ ...fault, line })),
    extensions: { ...extensions, line },
  });
}

function tooMany(count: number): MortiseError {
  return new MortiseError({
    code: 'batch_too_large',
    status: 413,
    message: `The batch has ${count} events; at most ${MOST_PER_BATCH} are published at once. Nothing was published.`,
    hint: 'Send several batches.',
  });
}
