// mortise deliveries [ID]: what was sent to whom, what is owed, and every attempt.
import type { Command } from 'commander';
import { type ClientOptions, callOperator, print, withClientOptions } from '../operator-client.ts';
import { table } from '../table.ts';

interface Options extends ClientOptions {
  installation?: string;
  event?: string;
  state?: string;
  since?: string;
  limit: string;
}

export function addDeliveriesCommand(program: Command): void {
  withClientOptions(
    program
      .command('deliveries [id]')
      .description('list deliveries, newest first, or show one with its attempts')
      .option('--installation <id>', 'to one installation')
      .option('--event <id>', 'of one event')
      .option('--state <state>', 'pending, retrying, delivered, failed or dropped')
      .option('--since <time>', 'not older than this')
      .option('--limit <n>', 'how many', '20'),
  ).action(deliveries);
}

async function deliveries(id: string | undefined, options: Options): Promise<void> {
  return id === undefined ? list(options) : show(id, options);
}

async function list(options: Options): Promise<void> {
  const query = new URLSearchParams({ limit: options.limit });
  for (const name of ['installation', 'event', 'state', 'since'] as const) {
    if (options[name] !== undefined) query.set(name, options[name]);
  }
  const page = await firstWithRows(options, query);
  print(
    options,
    page,
    page.items.length === 0
      ? ['No deliveries. Publish an event: mortise events send TYPE --context NAME']
      : table(
          ['WHEN', 'EVENT', 'ADD-ON', 'STATE', 'TRIES', 'WHY', 'ID'],
          page.items.map((row) => [
            row.createdAt,
            row.eventType,
            row.addonKey,
            row.state,
            String(row.attemptCount),
            row.reason ?? '-',
            row.id,
          ]),
        ),
  );
}

/** A page reads so many rows and no more: where few are asked for it may come out empty, and say where to go on. */
async function firstWithRows(options: Options, query: URLSearchParams): Promise<DeliveryPage> {
  for (;;) {
    const page = await callOperator<DeliveryPage>(options, 'GET', `/deliveries?${query}`);
    if (page.items.length > 0 || !page.next) return page;
    query.set('after', page.next);
  }
}

async function show(id: string, options: Options): Promise<void> {
  const delivery = await callOperator<Row & { attempts: Attempt[] }>(
    options,
    'GET',
    `/deliveries/${encodeURIComponent(id)}`,
  );
  print(options, delivery, [
    `${delivery.eventType} to ${delivery.addonKey}: ${delivery.state}`,
    ...delivery.attempts.map(
      ({ number, at, status, durationMs, message, nextAttemptAt, replayId }) =>
        `  ${replayId ? 'replayed, ' : ''}${number === 0 ? 'not sent' : `attempt ${number}`} at ${at}: ${status ?? 'no answer'} after ${durationMs} ms${message ? `. ${message}` : ''}${nextAttemptAt ? ` Next at ${nextAttemptAt}.` : ''}`,
    ),
    ...(delivery.nextAttemptAt && delivery.attempts.length === 0
      ? [`  due at ${delivery.nextAttemptAt}`]
      : []),
    ...delivery.withheld.map(({ pointer, scope }) => `  left out: ${pointer} (needs "${scope}")`),
  ]);
}

interface DeliveryPage {
  items: Row[];
  next: string | null;
}

interface Row {
  id: string;
  eventType: string;
  addonKey: string;
  state: string;
  attemptCount: number;
  reason: string | null;
  createdAt: string;
  nextAttemptAt: string | null;
  withheld: { pointer: string; scope: string }[];
}

interface Attempt {
  number: number;
  at: string;
  status: number | null;
  durationMs: number;
  message: string | null;
  nextAttemptAt: string | null;
  replayId: string | null;
}
