// POST /operator/v1/events (one as JSON, many as NDJSON) · GET /operator/v1/events/{id}
import type Router from '@koa/router';
import { isoTime } from '../../core/clock.ts';
import { MortiseError } from '../../core/errors.ts';
import type { HostParts } from '../../host/parts.ts';
import { type EventInput, publish } from '../../host/publish.ts';
import { readJsonObject, readNdjson } from '../body.ts';
import { refuseOthers } from '../fields.ts';
import { notFound } from '../problem.ts';

const FIELDS = ['type', 'context', 'resource', 'actor', 'payload', 'idempotencyKey'];
const MOST_PER_BATCH = 1_000;

export function eventRoutes(router: Router, parts: HostParts): void {
  router.post('/events', async (ctx) => {
    if (ctx.is('application/x-ndjson')) {
      const inputs = (await readNdjson(ctx)).map(asInput);
      if (inputs.length > MOST_PER_BATCH) throw tooMany(inputs.length);
      const ids = await publish(inputs, parts);
      ctx.status = 202;
      ctx.body = { items: ids.map((id) => ({ id })) };
      return;
    }
    const [id] = await publish([asInput(await readJsonObject(ctx))], parts);
    ctx.status = 202;
    ctx.set('Location', `/operator/v1/events/${id}`);
    ctx.body = { id };
  });

  router.get('/events/:id', async (ctx) => {
    const event = await parts.store.events.find(ctx.params.id!);
    if (!event)
      throw notFound(
        `There is no event "${ctx.params.id}".`,
        'Events are kept until their retention ends.',
      );
    ctx.body = {
      id: event.id,
      type: event.type,
      context: event.context === '' ? null : event.context,
      resource: event.resource,
      actor: event.actor,
      createdAt: isoTime(event.createdAt),
      payload: JSON.parse(event.payload.toString('utf8')),
    };
  });
}

function asInput(value: unknown): EventInput {
  if (typeof value === 'object' && value !== null)
    refuseOthers(value as Record<string, unknown>, FIELDS);
  return value as EventInput;
}

function tooMany(count: number): MortiseError {
  return new MortiseError({
    code: 'batch_too_large',
    status: 413,
    message: `The batch has ${count} events; at most ${MOST_PER_BATCH} are published at once. Nothing was published.`,
    hint: 'Send several batches.',
  });
}
