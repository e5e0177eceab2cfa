// mortise events explain ID: who was told of an event, who was not, and why.
import type { Command } from 'commander';
import { type ClientOptions, callOperator, print, withClientOptions } from '../operator-client.ts';
import { table } from '../table.ts';

interface Options extends ClientOptions {
  installation?: string;
  state?: string;
  after?: string;
  limit: string;
}

export function addExplainCommand(events: Command): void {
  withClientOptions(
    events
      .command('explain <id>')
      .description('say of every installation why it was told of an event, or was not')
      .option('--installation <id>', 'of one installation')
      .option('--state <state>', 'delivered, owed, failed, dropped or notSent')
      .option('--after <id>', 'go on after this installation')
      .option('--limit <n>', 'how many', '50'),
  ).action(explain);
}

async function explain(id: string, options: Options): Promise<void> {
  const query = new URLSearchParams({ limit: options.limit });
  for (const name of ['installation', 'state', 'after'] as const) {
    if (options[name] !== undefined) query.set(name, options[name]);
  }
  const path = `/events/${encodeURIComponent(id)}/explanation?${query}`;
  const answer = await callOperator<Explanation>(options, 'GET', path);
  const { event, summary, items, next } = answer;
  print(options, answer, [
    `${event.type}${event.resource === null ? '' : ` of ${event.resource}`}${inContext(event)}, published at ${event.createdAt}`,
    ...(summary && total(summary) > 0 ? [describeSummary(summary)] : []),
    '',
    ...(items.length === 0 ? [nobody(answer, options)] : describeItems(items)),
    ...(next === null ? [] : ['', `There are more: --after ${next}`]),
  ]);
}

/** A row an installation, and below it the sentence that is too long for a column. */
function describeItems(items: Item[]): string[] {
  const rows = items.map(({ addonKey, state, installationId }) => [
    addonKey,
    STATES[state] ?? state,
    installationId,
  ]);
  const [head, ...lines] = table(['ADD-ON', 'STATE', 'INSTALLATION'], rows);
  return [head!, ...items.flatMap((item, i) => [lines[i]!, ...describeItem(item)])];
}

/** Why; then what else was owed to it, and what is different today. */
function describeItem(item: Item): string[] {
  const { state } = item;
  const [, ...others] = item.deliveries;
  return [
    `  ${item.message}`,
    ...others.map(({ message }) => `  To another of its webhooks: ${message}`),
    ...(state === 'notSent' || state === 'dropped' ? describeToday(item) : []),
    ...item.deliveries.map(({ id }) => `  its attempts: mortise deliveries ${id}`),
  ];
}

function describeToday({ today, reason }: Item): string[] {
  if (today.wouldBeSent) return ['  Published today, it would be sent.'];
  return today.reason === reason ? [] : [`  Today it would not be sent: ${today.message}`];
}

const STATES: Record<string, string> = { notSent: 'not sent' };

function nobody({ event, summary }: Explanation, { state, after }: Options): string {
  if (after !== undefined) return 'There are no more.';
  if (state !== undefined && summary && total(summary) > 0)
    return `Of no installation${inContext(event)} it is ${STATES[state] ?? state}.`;
  return `Nobody is installed${inContext(event)}. Install an add-on: mortise install URL${event.context === null ? '' : ` --context ${event.context}`}`;
}

function describeSummary(summary: Record<string, number>): string {
  return Object.entries(summary)
    .map(([state, count]) => `${count} ${STATES[state] ?? state}`)
    .join(' · ');
}

function total(summary: Record<string, number>): number {
  return Object.values(summary).reduce((sum, count) => sum + count, 0);
}

function inContext({ context }: Explanation['event']): string {
  return context === null ? '' : ` in ${context}`;
}

interface Explanation {
  event: { type: string; context: string | null; resource: string | null; createdAt: string };
  summary: Record<string, number> | null;
  items: Item[];
  next: string | null;
}

interface Item {
  installationId: string;
  addonKey: string;
  state: string;
  reason: string | null;
  message: string;
  deliveries: { id: string; message: string }[];
  today: { wouldBeSent: boolean; reason?: string; message?: string };
}
