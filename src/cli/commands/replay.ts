// mortise replay [DELIVERY]: sends again one delivery, or all that fit; follows a replay, or cancels it.
import { setTimeout } from 'node:timers/promises';
import { type Command, InvalidArgumentError } from 'commander';
import { MortiseError } from '../../core/errors.ts';
import { type ClientOptions, callOperator, print, withClientOptions } from '../operator-client.ts';

interface Options extends ClientOptions {
  installation?: string;
  eventType?: string;
  event?: string;
  since?: string;
  until?: string;
  state?: string;
  allowed?: string;
  newId?: boolean;
  perSecond?: number;
  dryRun?: boolean;
  status?: string;
  cancel?: string;
}

const LOOK_EVERY_MS = 500;
const FILTERS = ['installation', 'eventType', 'event', 'since', 'until', 'state'] as const;

export function addReplayCommand(program: Command): void {
  withClientOptions(
    program
      .command('replay [delivery]')
      .description('send again one delivery, or all that fit; what did not arrive, by default')
      .option('--installation <id>', 'to one installation')
      .option('--event-type <type>', 'of one event type')
      .option('--event <id>', 'of one event')
      .option('--since <time>', 'of events published then or later')
      .option('--until <time>', 'of events published then or earlier')
      .option('--state <state>', 'delivered, failed, dropped or any (default: failed and dropped)')
      .option(
        '--allowed <grants>',
        'then-and-now: what was owed then; now: also what is granted only now',
      )
      .option('--new-id', 'each under a webhook-id of its own')
      .option('--per-second <n>', 'no faster than this (50)', wholeNumber)
      .option('--dry-run', 'only count')
      .option('--status <replay>', 'how far a replay has come')
      .option('--cancel <replay>', 'make nothing more of it due'),
  ).action(replay);
}

async function replay(deliveryId: string | undefined, options: Options): Promise<void> {
  if (options.status !== undefined) return show(options.status, 'GET', options);
  if (options.cancel !== undefined) return show(options.cancel, 'DELETE', options);
  return deliveryId === undefined ? replayMany(options) : replayOne(deliveryId, options);
}

async function show(id: string, method: 'GET' | 'DELETE', options: Options): Promise<void> {
  const view = await callOperator<View>(options, method, `/replays/${encodeURIComponent(id)}`);
  print(options, view, [summary(view)]);
}

async function replayOne(deliveryId: string, options: Options): Promise<void> {
  const { newId, allowed } = options;
  const path = `/deliveries/${encodeURIComponent(deliveryId)}/replay`;
  const replayed = await callOperator<{ id: string; replayId: string; warnings: Warning[] }>(
    options,
    'POST',
    path,
    { newId, allowed },
  );
  print(options, replayed, [
    `${deliveryId} is sent again${replayed.id === deliveryId ? '' : ` as ${replayed.id}`} (replay ${replayed.replayId})`,
    ...replayed.warnings.map(({ message }) => `  warning: ${message}`),
    `  what came of it: mortise deliveries ${replayed.id}`,
  ]);
}

async function replayMany(options: Options): Promise<void> {
  if (FILTERS.every((name) => options[name] === undefined)) throw unfiltered();
  const { installation, eventType, event, since, until, state, allowed, newId, perSecond, dryRun } =
    options;
  const body = {
    installation,
    eventType,
    event,
    since,
    until,
    state,
    allowed,
    newId,
    perSecond,
    dryRun,
  };
  if (dryRun) {
    const totals = await callOperator<Totals>(options, 'POST', '/replays', body);
    return print(options, totals, [
      `${totals.count} would be sent again; nothing was.`,
      ...passedOver(totals),
      ...totals.warnings.map(({ message }) => `  warning: ${message}`),
    ]);
  }
  const started = await callOperator<View & { warnings: Warning[] }>(
    options,
    'POST',
    '/replays',
    body,
  );
  const view = await follow(started, options);
  print(options, view, [summary(view), ...passedOver(view), ...whatNow(view, options)]);
}

/** Until all of it is made due; Ctrl-C stops looking, not the replay. */
async function follow(started: View & { warnings: Warning[] }, options: Options): Promise<View> {
  const left = new AbortController();
  const leave = () => left.abort();
  // Before anything is said: who reads the warnings may want to leave at once.
  process.once('SIGINT', leave);
  if (!options.json) {
    for (const { message } of started.warnings) process.stderr.write(`  warning: ${message}\n`);
  }
  const hasLine = process.stderr.isTTY && !options.json;
  let view: View = started;
  while (view.state === 'running' && !left.signal.aborted) {
    if (hasLine) process.stderr.write(`\r${summary(view)}\u001b[K`);
    await setTimeout(LOOK_EVERY_MS, undefined, { signal: left.signal }).catch(() => undefined);
    view = await callOperator<View>(options, 'GET', `/replays/${view.id}`);
  }
  if (hasLine) process.stderr.write('\r\u001b[K');
  process.removeListener('SIGINT', leave);
  return view;
}

function summary({ id, state, done, total, results }: View): string {
  const { delivered, failed, dropped, owed } = results;
  const parts = [
    `${delivered} delivered`,
    failed > 0 && `${failed} failed`,
    dropped > 0 && `${dropped} dropped`,
    owed > 0 && `${owed} owed`,
  ].filter(Boolean);
  return `Replay ${id} is ${state}: ${done} of ${total} made due (${parts.join(', ')})`;
}

function passedOver({ skipped: { owed, eventExpired } }: Pick<View, 'skipped'>): string[] {
  return [
    ...(owed > 0 ? [`  passed over: ${owed} that are owed already`] : []),
    ...(eventExpired > 0 ? [`  passed over: ${eventExpired} whose event is past retention`] : []),
  ];
}

function whatNow({ id, state, results }: View, { installation }: Options): string[] {
  if (state === 'running') {
    return [
      '  It goes on without this command.',
      `  look at it: mortise replay --status ${id}`,
      `  cancel it:  mortise replay --cancel ${id}`,
    ];
  }
  const which = installation === undefined ? '' : ` --installation ${installation}`;
  if (results.dropped > 0)
    return [`  why they were dropped: mortise deliveries --state dropped${which}`];
  return results.owed > 0 ? [`  what comes of the rest: mortise replay --status ${id}`] : [];
}

function unfiltered(): MortiseError {
  return new MortiseError({
    code: 'replay_unlimited',
    status: 422,
    message: 'Nothing says what is to be sent again.',
    hint: 'Name a delivery, or say --installation, --event-type, --event, --since, --until or --state.',
  });
}

function wholeNumber(text: string): number {
  if (/^\d+$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It must be a whole number.');
}

interface Warning {
  message: string;
}

interface Totals {
  count: number;
  skipped: { owed: number; eventExpired: number };
  warnings: Warning[];
}

interface View {
  id: string;
  state: string;
  total: number;
  done: number;
  skipped: { owed: number; eventExpired: number };
  results: { delivered: number; failed: number; dropped: number; owed: number };
}
