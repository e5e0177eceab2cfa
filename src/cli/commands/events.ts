// mortise events send TYPE: publishes an event; without a payload, the event type's own example.
import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { MortiseError } from '../../core/errors.ts';
import { type ClientOptions, callOperator, print, withClientOptions } from '../operator-client.ts';
import { table } from '../table.ts';
import { addExplainCommand } from './explain-event.ts';

interface SendOptions extends ClientOptions {
  context?: string;
  resource?: string;
  actor?: string;
  payload?: string;
  idempotencyKey?: string;
}

export function addEventsCommand(program: Command): void {
  const events = program
    .command('events')
    .description('publish events, and see what there is to publish');
  withClientOptions(
    events
      .command('send <type>')
      .description("publish an event; without --payload, the event type's example")
      .option('--context <name>', 'the workspace or site it happened in')
      .option('--resource <id>', 'what it happened to')
      .option('--actor <id>', 'who did it')
      .option('--payload <file>', 'a JSON file, or - for standard input')
      .option('--idempotency-key <key>', 'the same key and body again publish nothing new'),
  ).action(send);
  addExplainCommand(events);
  withClientOptions(events.command('types').description('list the event types')).action(types);
}

async function send(type: string, options: SendOptions): Promise<void> {
  const { context, resource, actor, idempotencyKey } = options;
  const payload =
    options.payload === undefined
      ? (await callOperator(options, 'GET', `/event-types/${encodeURIComponent(type)}`)).example
      : readPayload(options.payload);
  const published = await callOperator(options, 'POST', '/events', {
    type,
    context,
    resource,
    actor,
    payload,
    idempotencyKey,
  });
  print(options, published, [
    `${type} is published as ${published.id}`,
    `  who was told, and who was not and why: mortise events explain ${published.id}`,
  ]);
}

async function types(options: ClientOptions): Promise<void> {
  const page = await callOperator<{ items: { type: string; scope: string; title: string }[] }>(
    options,
    'GET',
    '/event-types',
  );
  print(
    options,
    page,
    table(
      ['TYPE', 'SCOPE', 'TITLE'],
      page.items.map(({ type, scope, title }) => [type, scope, title]),
    ),
  );
}

function readPayload(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file === '-' ? 0 : file, 'utf8'));
  } catch (cause) {
    throw new MortiseError({
      code: 'payload_unreadable',
      status: 400,
      message: `The payload cannot be read from ${file === '-' ? 'standard input' : file}: ${(cause as Error).message}.`,
      cause,
    });
  }
}
